/* Runs @name@ on raw floats: example FILE, or through a pipe; prints one output per line. */

#include <stdio.h>
#include <string.h>

#include "@name@.h"

int main(int count, char **words) {
  static float input[@NAME@_INPUT_SIZE], output[@NAME@_OUTPUT_SIZE];
  FILE *file = count > 1 && strcmp(words[1], "-") ? fopen(words[1], "rb") : stdin;
  if (!file) {
    fprintf(stderr, "%s cannot be opened\n", words[1]);
    return 1;
  }
  if (fread(input, sizeof *input, @NAME@_INPUT_SIZE, file) != @NAME@_INPUT_SIZE) {
    fprintf(stderr, "expected %d floats of 32 bits\n", @NAME@_INPUT_SIZE);
    return 1;
  }
  if (@name@_init() || @name@_infer(input, output)) {
    fprintf(stderr, "this processor cannot run @name@\n");
    return 1;
  }
  for (int i = 0; i < @NAME@_OUTPUT_SIZE; i++) {
    const char *name = @name@_class(i);
    printf("%-20s %.9g\n", name ? name : "", output[i]);
  }
  return 0;
}
