// Runs the network on a known input and tells the answer, whether it is right, and how long it took.
#include <@NAME@.h>

#include "golden.h"

static @NAME@_output_t output[@UPPER@_OUTPUT_SIZE];

void setup() {
  Serial.begin(115200);
}

void loop() {
  unsigned long begun = micros();
  @NAME@_run(golden_inputs[0], output);
  unsigned long needed_us = micros() - begun;
  int best = 0, wrong = 0;
  for (int i = 0; i < @UPPER@_OUTPUT_SIZE; i++) {
    if (output[i] > output[best]) best = i;
    if (output[i] != golden_outputs[0][i]) wrong++;
  }
  Serial.print("class ");
  Serial.print(best);
  Serial.print(wrong ? " WRONG, us: " : " right, us: ");
  Serial.println(needed_us);
  delay(1000);
}
