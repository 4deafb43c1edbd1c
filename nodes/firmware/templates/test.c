/* Runs golden inputs and tells a checksum of every layer's output, the answers and the stack used. */
#include <stdint.h>

#include "@NAME@.h"
#include "golden.h"

void ossicle_write(const char *text);
void ossicle_mark(void);
unsigned ossicle_stack_bytes(void);

static void write_number(uint32_t value, uint32_t base) {
  char text[12], *at = text + 11;
  *at = 0;
  do {
    *--at = "0123456789abcdef"[value % base];
    value /= base;
  } while (value);
  ossicle_write(at);
}

static void write_line(const char *word, uint32_t first, uint32_t second, uint32_t base) {
  ossicle_write(word);
  ossicle_write(" ");
  write_number(first, 10);
  ossicle_write(" ");
  write_number(second, base);
  ossicle_write("\n");
}

void ossicle_before(int layer) {
  (void)layer;
  ossicle_mark();
}

/* FNV-1a, 32 bits */
void ossicle_after(int layer, const void *codes, unsigned bytes) {
  ossicle_mark();
  const uint8_t *byte = codes;
  uint32_t sum = 2166136261u;
  for (unsigned i = 0; i < bytes; i++) sum = (sum ^ byte[i]) * 16777619u;
  write_line("layer", (uint32_t)layer, sum, 16);
}

int main(void) {
  static golden_output_t output[@OUTPUT_SIZE@];
  int wrong = 0;
  for (int clip = 0; clip < GOLDEN_CLIPS; clip++) {
    @NAME@_run(golden_inputs[clip], output);
    int differs = 0;
    for (int i = 0; i < @OUTPUT_SIZE@; i++) differs |= output[i] != golden_outputs[clip][i];
    wrong += differs;
    write_line("clip", (uint32_t)clip, (uint32_t)differs, 10);
  }
  write_line("stack", ossicle_stack_bytes(), (uint32_t)wrong, 10);
  return wrong ? 1 : 0;
}
