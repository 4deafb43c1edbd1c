/* Hears a recording in pieces of many sizes; tells frames, codes that are not the reference's, and the stack used. */
#include <stdint.h>

#include "@name@.h"
#include "heard.h"

void ossicle_write(const char *text);
void ossicle_mark(void);
unsigned ossicle_stack_bytes(void);

static void write_number(unsigned value) {
  char text[12], *at = text + 11;
  *at = 0;
  do *--at = (char)('0' + value % 10);
  while (value /= 10);
  *--at = ' ';
  ossicle_write(at);
}

int main(void) {
  int made = 0, wrong = 0;
  @name@_start();
  ossicle_mark();
  for (int at = 0, piece = 1; at < HEARD_SAMPLES; piece = @piece@) {
    const int count = piece < HEARD_SAMPLES - at ? piece : HEARD_SAMPLES - at;
    made += @name@_push(heard_samples + at, count);
    at += count;
  }
  ossicle_mark();
  made += @name@_finish();
  const int ready = @name@_ready();
  const @code@ *codes = @name@_features();
  for (int i = 0; i < @NAME@_FRAMES * @NAME@_COEFFICIENTS; i++) wrong += codes[i] != heard_codes[i];
  write_number((unsigned)made);
  write_number((unsigned)ready);
  write_number((unsigned)wrong);
  write_number(ossicle_stack_bytes());
  ossicle_write("\n");
  return wrong != 0;
}
