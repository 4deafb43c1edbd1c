/* Start of a Cortex-M: vectors, data and bss, floating point on, stack painted; console and exit by semihosting. */
#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os")
#endif

extern uint32_t _data_from, _data_start, _data_end, _bss_start, _bss_end, _stack_low, _stack_top;
int main(void);
int ossicle_semihost(int operation, const void *argument);
void Reset_Handler(void);
void ossicle_write(const char *text);
void ossicle_exit(int code);

static void write_register(const char *name, uint32_t value) {
  char text[9];
  for (int i = 0; i < 8; i++) text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
  text[8] = 0;
  ossicle_write(name);
  ossicle_write(text);
}

/* What the processor saved when it stopped: r0 to r3, r12, lr, pc, status. */
__attribute__((used, noreturn)) static void tell_fault(const uint32_t *saved) {
  static const char names[8][6] = {" r0=", " r1=", " r2=", " r3=", " r12=", " lr=", " pc=", " psr="};
  ossicle_write("FAULT");
  for (int i = 0; i < 8; i++) write_register(names[i], saved[i]);
  ossicle_write("\n");
  ossicle_exit(99);
  for (;;) {
  }
}

__attribute__((naked)) static void Fault_Handler(void) { __asm volatile("mrs r0, msp\n b tell_fault"); }

typedef union { uint32_t *stack; void (*handler)(void); } vector_t;
__attribute__((section(".vectors"), used)) static const vector_t vectors[16] = {
    {.stack = &_stack_top},      {.handler = Reset_Handler}, {.handler = Fault_Handler}, {.handler = Fault_Handler},
    {.handler = Fault_Handler},  {.handler = Fault_Handler}, {.handler = Fault_Handler}, {0}, {0}, {0}, {0},
    {.handler = Fault_Handler},  {.handler = Fault_Handler}, {0}, {.handler = Fault_Handler}, {.handler = Fault_Handler}};

int ossicle_semihost(int operation, const void *argument) {
  register int r0 __asm("r0") = operation;
  register const void *r1 __asm("r1") = argument;
  __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

void ossicle_write(const char *text) { ossicle_semihost(4, text); }

void ossicle_exit(int code) {
  uint32_t why[2] = {0x20026, (uint32_t)code};
  ossicle_semihost(0x20, why);
  ossicle_semihost(0x18, (const void *)0x20026);
  for (;;) {
  }
}

__attribute__((noinline, used)) void ossicle_mark(void) { __asm volatile("" ::: "memory"); }

#define PAINT 0xC5C5C5C5u
#define MOST_PAINTED 8192

static uint32_t *painted_from(void) {
  uint32_t low = (uint32_t)&_stack_low, top = (uint32_t)&_stack_top;
  return (uint32_t *)(top - low > MOST_PAINTED ? top - MOST_PAINTED : low);
}

unsigned ossicle_stack_bytes(void) {
  const uint32_t *word = painted_from();
  while (*word == PAINT) word++;
  return (unsigned)((const char *)&_stack_top - (const char *)word);
}

void Reset_Handler(void) {
#if defined(__ARM_FP)
  *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20;
  __asm volatile("dsb\n isb");
#endif
  volatile uint32_t *to = &_data_start;
  for (const uint32_t *from = &_data_from; to < &_data_end;) *to++ = *from++;
  for (to = &_bss_start; to < &_bss_end;) *to++ = 0;
  uint32_t here;
  __asm volatile("mov %0, sp" : "=r"(here));
  for (to = painted_from(); (uint32_t)to < here - 64;) *to++ = PAINT;
  ossicle_exit(main());
}
