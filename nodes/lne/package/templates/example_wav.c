/* Hears a WAV file with @name@: example FILE.wav prints every class with its output and its share (softmax);
   example --stream FILE.wav prints the best class of every clip, hop by hop. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "@name@.h"

typedef struct {
  float *samples; /* the mean of all channels, in [-1, 1) */
  long count;
  int rate_hz;
} recording;

static uint32_t number(const unsigned char *bytes, int count) {
  uint32_t value = 0;
  for (int i = count - 1; i >= 0; i--) value = value << 8 | bytes[i];
  return value;
}

/* One sample of PCM (kind 1; 8, 16, 24 or 32 bits) or of 32-bit floats (kind 3). */
static float value_of(const unsigned char *bytes, int kind, int bits) {
  float value;
  if (kind == 3) {
    memcpy(&value, bytes, 4);
    return value;
  }
  if (bits == 8) return ((float)bytes[0] - 128.0f) / 128.0f;
  return (float)((int32_t)(number(bytes, bits / 8) << (32 - bits)) / 65536.0 / 32768.0);
}

static const char *take_samples(recording *made, const unsigned char *data, uint32_t size, const unsigned char *format) {
  int kind = (int)number(format, 2), channels = (int)number(format + 2, 2), bits = (int)number(format + 14, 2);
  if (kind == 0xfffe) kind = (int)number(format + 24, 2); /* the kind's own place in the long form */
  if (!channels || !((kind == 1 && (bits == 8 || bits == 16 || bits == 24 || bits == 32)) || (kind == 3 && bits == 32)))
    return "its samples are neither PCM nor 32-bit floats";
  made->rate_hz = (int)number(format + 4, 4);
  made->count = (long)(size / ((uint32_t)channels * (uint32_t)bits / 8));
  made->samples = calloc((size_t)made->count + 1, sizeof(float));
  if (!made->samples) return "it is too long";
  for (long i = 0; i < made->count; i++) {
    float sum = 0.0f;
    for (int c = 0; c < channels; c++) sum += value_of(data + (i * channels + c) * (bits / 8), kind, bits);
    made->samples[i] = sum / (float)channels;
  }
  return 0;
}

/* Walk the chunks of a RIFF file; 0, or what is wrong with it. */
static const char *take_chunks(recording *made, const unsigned char *file, size_t size) {
  static unsigned char format[40];
  int has_format = 0;
  if (size < 12 || memcmp(file, "RIFF", 4) || memcmp(file + 8, "WAVE", 4)) return "it is no WAV file";
  for (size_t at = 12; at + 8 <= size;) {
    uint32_t length = number(file + at + 4, 4);
    const unsigned char *body = file + at + 8;
    if (length > size - at - 8) length = (uint32_t)(size - at - 8); /* cut short: what there is */
    if (!memcmp(file + at, "fmt ", 4) && length >= 16) {
      memcpy(format, body, length < sizeof format ? length : sizeof format);
      has_format = 1;
    }
    if (!memcmp(file + at, "data", 4))
      return has_format ? take_samples(made, body, length, format) : "its format is not told";
    at += 8 + (size_t)length + length % 2;
  }
  return "it holds no samples";
}

static const char *read_wav(const char *path, recording *made) {
  FILE *file = fopen(path, "rb");
  unsigned char *bytes = 0;
  size_t size = 0, room = 0, got = 1;
  if (!file) return "it cannot be opened";
  while (got) {
    if (size == room) {
      unsigned char *more = realloc(bytes, room = room ? 2 * room : 65536);
      if (!more) break;
      bytes = more;
    }
    got = fread(bytes + size, 1, room - size, file);
    size += got;
  }
  fclose(file);
  const char *wrong = take_chunks(made, bytes, size);
  free(bytes);
  if (!wrong && made->rate_hz != @NAME@_RATE_HZ) return "its rate is not @rate_hz@ Hz";
  return wrong;
}

static int best_of(const float *output, float *share) {
  int best = 0;
  float sum = 0.0f;
  for (int i = 1; i < @NAME@_OUTPUT_SIZE; i++) best = output[i] > output[best] ? i : best;
  for (int i = 0; i < @NAME@_OUTPUT_SIZE; i++) sum += share[i] = expf(output[i] - output[best]);
  for (int i = 0; i < @NAME@_OUTPUT_SIZE; i++) share[i] /= sum;
  return best;
}

static const char *class_name(int index) {
  static char spare[16];
  const char *name = @name@_class(index);
  snprintf(spare, sizeof spare, "%d", index);
  return name ? name : spare;
}

static float features[@NAME@_INPUT_SIZE], output[@NAME@_OUTPUT_SIZE], share[@NAME@_OUTPUT_SIZE];

static int hear_clip(const recording *heard) {
  static float clip[@NAME@_CLIP_SAMPLES];
  long count = heard->count < @NAME@_CLIP_SAMPLES ? heard->count : @NAME@_CLIP_SAMPLES;
  void *memory = malloc(@NAME@_FEATURES_BYTES);
  memcpy(clip, heard->samples, sizeof(float) * (size_t)count);
  int failed = !memory || @name@_features(memory, clip, features) || @name@_infer(features, output);
  free(memory);
  if (failed) return failed;
  best_of(output, share);
  for (int i = 0; i < @NAME@_OUTPUT_SIZE; i++) printf("%-20s %14.7g %8.5f\n", class_name(i), output[i], share[i]);
  return 0;
}

static int hear_stream(const recording *heard) {
  void *stream = malloc(@NAME@_STREAM_BYTES);
  int failed = !stream || @name@_stream_start(stream);
  for (long at = 0; !failed && at + @NAME@_HOP_SAMPLES <= heard->count; at += @NAME@_HOP_SAMPLES) {
    int is_whole = @name@_stream_push(stream, heard->samples + at);
    failed = is_whole < 0;
    if (is_whole != 1) continue;
    failed = @name@_stream_features(stream, features) || @name@_infer(features, output);
    if (failed) break;
    int best = best_of(output, share);
    printf("%9.3f s  %-20s %8.5f\n", (double)(at + @NAME@_HOP_SAMPLES) / @NAME@_RATE_HZ, class_name(best), share[best]);
  }
  free(stream);
  return failed;
}

int main(int count, char **words) {
  recording heard = {0, 0, 0};
  int is_stream = count == 3 && !strcmp(words[1], "--stream");
  if (count != 2 && !is_stream) {
    fprintf(stderr, "usage: %s [--stream] FILE.wav\n", words[0]);
    return 2;
  }
  const char *wrong = read_wav(words[count - 1], &heard);
  if (wrong) {
    fprintf(stderr, "%s: %s\n", words[count - 1], wrong);
    return 1;
  }
  if (@name@_init()) {
    fprintf(stderr, "this processor cannot run @name@\n");
    return 1;
  }
  int failed = (is_stream ? hear_stream : hear_clip)(&heard);
  free(heard.samples);
  if (failed) fprintf(stderr, "%s: it cannot be heard\n", words[count - 1]);
  return failed ? 1 : 0;
}
