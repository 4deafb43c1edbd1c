/* Start of a Cortex-M or a RISC-V: vectors, data and bss, floating point on, stack painted; console and exit by semihosting. */
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

#if defined(__riscv)
/* Why the processor stopped and where: cause, pc, address, return address, stack. */
__attribute__((used, noreturn)) static void tell_fault(uint32_t back, uint32_t stack) {
  static const char names[5][8] = {" cause=", " pc=", " value=", " ra=", " sp="};
  uint32_t saved[5] = {0, 0, 0, back, stack};
  __asm volatile("csrr %0, mcause\n csrr %1, mepc\n csrr %2, mtval" : "=r"(saved[0]), "=r"(saved[1]), "=r"(saved[2]));
  ossicle_write("FAULT");
  for (int i = 0; i < 5; i++) write_register(names[i], saved[i]);
  ossicle_write("\n");
  ossicle_exit(99);
  for (;;) {
  }
}

__attribute__((naked, aligned(4))) static void Fault_Handler(void) {
  __asm volatile("mv a0, ra\n mv a1, sp\n la sp, _stack_top\n j tell_fault");
}

static void start(void);
__attribute__((naked, section(".vectors"), used)) void Reset_Handler(void) {
  __asm volatile("la sp, _stack_top\n la t0, %0\n csrw mtvec, t0\n j %1" : : "i"(Fault_Handler), "i"(start));
}

int ossicle_semihost(int operation, const void *argument) {
  register int a0 __asm("a0") = operation;
  register const void *a1 __asm("a1") = argument;
  __asm volatile(
      ".option push\n .option norvc\n .balign 16\n slli zero, zero, 0x1f\n ebreak\n srai zero, zero, 7\n .option pop"
      : "+r"(a0) : "r"(a1) : "memory");
  return a0;
}
#else
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
#endif

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

#if defined(__riscv)
static void start(void) {
#else
void Reset_Handler(void) {
#endif
#if defined(__ARM_FP)
  *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20;
  __asm volatile("dsb\n isb");
#endif
  volatile uint32_t *to = &_data_start;
  for (const uint32_t *from = &_data_from; to < &_data_end;) *to++ = *from++;
  for (to = &_bss_start; to < &_bss_end;) *to++ = 0;
  uint32_t here;
#if defined(__riscv)
  __asm volatile("mv %0, sp" : "=r"(here));
#else
  __asm volatile("mov %0, sp" : "=r"(here));
#endif
  for (to = painted_from(); (uint32_t)to < here - 64;) *to++ = PAINT;
  ossicle_exit(main());
}
