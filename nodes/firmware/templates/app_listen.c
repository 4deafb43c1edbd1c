/* The device's program: samples to features to the network to an answer. Both ends are yours to fill in: define
   app_listen and app_answer in a file of your own. */
#include "@FRONT@.h"
#include "@NAME@.h"

#define APP_EVERY_FRAMES @EVERY@ /* from one answer to the next */

int app_listen(int16_t *samples, int count);
void app_answer(const @NAME@_output_t *output);

static int16_t samples[@FRONT_UPPER@_HOP_SAMPLES];
static @NAME@_output_t output[@UPPER@_OUTPUT_SIZE];

/* Waits for the microphone's next samples; 0 if there are none yet. */
__attribute__((weak)) int app_listen(int16_t *heard, int count) {
  (void)heard;
  (void)count;
  return 1;
}

/* Takes the answer: a code per class, the largest is the most likely. */
__attribute__((weak)) void app_answer(const @NAME@_output_t *codes) { (void)codes; }

int main(void) {
  @FRONT@_start();
  for (int frames = 0;;) {
    if (!app_listen(samples, @FRONT_UPPER@_HOP_SAMPLES)) continue;
    frames += @FRONT@_push(samples, @FRONT_UPPER@_HOP_SAMPLES);
    if (frames < APP_EVERY_FRAMES || @FRONT@_ready() < @FRONT_UPPER@_FRAMES) continue;
    frames = 0;
    @NAME@_run(@FRONT@_features(), output);
    app_answer(output);
  }
}
