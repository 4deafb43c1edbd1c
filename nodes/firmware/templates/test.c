/* Runs the network on clips: on those of a file of the host where a debugger or an emulator offers one (each is a record
   of codes, or of samples if there is a front end; what every stage gives goes to a second file), else on the golden clips in flash, telling a checksum of every
   layer's output, which of them is not the golden one, and the stack used. */
#include <stdint.h>

#include "@NAME@.h"
#include "golden.h"

void ossicle_write(const char *text);
void ossicle_mark(void);
unsigned ossicle_stack_bytes(void);
int ossicle_semihost(int operation, const void *argument);

enum { FILE_OPEN = 1, FILE_CLOSE = 2, FILE_WRITE = 5, FILE_READ = 6, MODE_READ = 1, MODE_WRITE = 5 };
enum { OUTPUT_RECORD = 0x7fffffff, FRONT_RECORD = 0x10000000, TRACE_FAILED = 3 };

static int trace = -1, first_record, lost, golden;

static int open_file(const char *name, int mode) {
  uintptr_t length = 0;
  while (name[length]) length++;
  const uintptr_t block[3] = {(uintptr_t)name, (uintptr_t)mode, length};
  return ossicle_semihost(FILE_OPEN, block);
}

/* 0 if all bytes were read or written */
static int transfer(int operation, int file, const void *bytes, unsigned count) {
  const uintptr_t block[3] = {(uintptr_t)file, (uintptr_t)bytes, count};
  return ossicle_semihost(operation, block);
}

static void close_file(int file) {
  const uintptr_t block[1] = {(uintptr_t)file};
  ossicle_semihost(FILE_CLOSE, block);
}

static void record(int stage, const void *codes, unsigned bytes) {
  const uint32_t head[2] = {(uint32_t)stage, bytes};
  lost |= transfer(FILE_WRITE, trace, head, sizeof head) | transfer(FILE_WRITE, trace, codes, bytes);
}

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
static uint32_t checksum(const uint8_t *byte, unsigned bytes) {
  uint32_t sum = 2166136261u;
  for (unsigned i = 0; i < bytes; i++) sum = (sum ^ byte[i]) * 16777619u;
  return sum;
}

void ossicle_after(int layer, const void *codes, unsigned bytes) {
  ossicle_mark();
  if (trace >= 0) {
    record(first_record + layer, codes, bytes);
    return;
  }
  uint32_t sum = checksum(codes, bytes);
  write_line("layer", (uint32_t)layer, sum, 16);
  if (sum != golden_sums[golden][layer]) write_line("differs", (uint32_t)layer, golden_sums[golden][layer], 16);
}

#ifdef GOLDEN_HEARS
/* The next clip's samples through the front end, in pieces; 0 at the end of the file. */
static int take_clip(int clips, golden_input_t *input) {
  static int16_t samples[211];
  const int most = sizeof samples / sizeof *samples;
  GOLDEN_START();
  first_record = FRONT_RECORD;
  for (int left = GOLDEN_CLIP_SAMPLES, count; left > 0; left -= count) {
    count = left < most ? left : most;
    if (transfer(FILE_READ, clips, samples, (unsigned)count * sizeof *samples)) return 0;
    GOLDEN_PUSH(samples, count);
  }
  GOLDEN_FINISH();
  first_record = 0;
  const golden_input_t *features = GOLDEN_FEATURES();
  for (int i = 0; i < GOLDEN_INPUT_SIZE; i++) input[i] = features[i];
  return 1;
}
#else
/* The next clip's codes; 0 at the end of the file. */
static int take_clip(int clips, golden_input_t *input) {
  return !transfer(FILE_READ, clips, input, GOLDEN_INPUT_SIZE * sizeof *input);
}
#endif

static int run_file(int clips) {
  static golden_input_t input[GOLDEN_INPUT_SIZE];
  static golden_output_t output[GOLDEN_OUTPUT_SIZE];
  uint32_t count = 0;
  for (; !lost && take_clip(clips, input); count++) {
    GOLDEN_RESET();
    @NAME@_run(input, output);
    record(OUTPUT_RECORD, output, sizeof output);
  }
  close_file(clips);
  close_file(trace);
  write_line("clips", count, (uint32_t)lost, 10);
  write_line("stack", ossicle_stack_bytes(), 0, 10);
  return lost ? TRACE_FAILED : 0;
}

static int run_golden(void) {
  static golden_output_t output[GOLDEN_OUTPUT_SIZE];
  int wrong = 0;
  for (golden = 0; golden < GOLDEN_CLIPS; golden++) {
    GOLDEN_RESET();
    @NAME@_run(golden_inputs[golden], output);
    int differs = 0;
    for (int i = 0; i < GOLDEN_OUTPUT_SIZE; i++) differs |= output[i] != golden_outputs[golden][i];
    wrong += differs;
    write_line("clip", (uint32_t)golden, (uint32_t)differs, 10);
  }
  write_line("stack", ossicle_stack_bytes(), (uint32_t)wrong, 10);
  return wrong ? 1 : 0;
}

int main(void) {
  int clips = open_file("ossicle_clips.bin", MODE_READ);
  if (clips < 0) return run_golden();
  trace = open_file("ossicle_trace.bin", MODE_WRITE);
  return trace < 0 ? TRACE_FAILED : run_file(clips);
}
