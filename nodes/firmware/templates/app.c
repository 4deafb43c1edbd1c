/* The device's program: waits for an input, runs the network, passes the answer on. Both ends are yours to fill in:
   define app_read and app_answer in a file of your own. */
#include "@NAME@.h"

int app_read(@NAME@_input_t *input);
void app_answer(const @NAME@_output_t *output);

static @NAME@_output_t output[@UPPER@_OUTPUT_SIZE];

/* Fills the input, which lies in the network's own memory, with codes in rows, columns, channels; 0 if there is none yet.
   A run writes over it. */
__attribute__((weak)) int app_read(@NAME@_input_t *codes) {
  (void)codes;
  return 1;
}

/* Takes the answer: a code per class, the largest is the most likely. */
__attribute__((weak)) void app_answer(const @NAME@_output_t *codes) { (void)codes; }

int main(void) {
  for (;;) {
    if (!app_read(@NAME@_input())) continue;
    @NAME@_run(@NAME@_input(), output);
    app_answer(output);
  }
}
