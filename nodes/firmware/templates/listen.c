/* Runs the device's program on a recording: tells every answer, whether it is the reference's, and the stack used. */
#include <stdint.h>

#include "@FRONT@.h"
#include "@NAME@.h"
#include "heard.h"

void ossicle_write(const char *text);
void ossicle_exit(int code);
void ossicle_mark(void);
unsigned ossicle_stack_bytes(void);
int app_listen(int16_t *samples, int count);
void app_answer(const @NAME@_output_t *output);

static int at, answered, wrong;

static void write_line(const char *word, unsigned first, unsigned second) {
  const unsigned numbers[2] = {first, second};
  ossicle_write(word);
  for (int i = 0; i < 2; i++) {
    char text[12], *digit = text + 11;
    unsigned left = numbers[i];
    *digit = 0;
    do *--digit = (char)('0' + left % 10);
    while (left /= 10);
    *--digit = ' ';
    ossicle_write(digit);
  }
  ossicle_write("\n");
}

int app_listen(int16_t *samples, int count) {
  ossicle_mark();
  if (at + count > HEARD_SAMPLES) {
    write_line("stack", ossicle_stack_bytes(), (unsigned)(wrong + (answered != HEARD_ANSWERS)));
    ossicle_exit(wrong || answered != HEARD_ANSWERS);
  }
  for (int i = 0; i < count; i++) samples[i] = heard_samples[at + i];
  at += count;
  ossicle_mark();
  return 1;
}

void app_answer(const @NAME@_output_t *output) {
  int differs = answered >= HEARD_ANSWERS, best = 0;
  for (int i = 0; i < @UPPER@_OUTPUT_SIZE; i++) {
    if (!differs) differs |= output[i] != heard_answers[answered][i];
    if (output[i] > output[best]) best = i;
  }
  wrong += differs;
  answered++;
  write_line("answer", (unsigned)best, (unsigned)differs);
}
