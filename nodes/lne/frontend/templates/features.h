
/* Features: a clip of @NAME@_CLIP_SAMPLES samples in [-1, 1) at @NAME@_RATE_HZ Hz becomes the network's input,
   @about@. */
#define @NAME@_RATE_HZ @rate_hz@
#define @NAME@_CLIP_SAMPLES @clip_samples@
#define @NAME@_HOP_SAMPLES @hop_samples@
#define @NAME@_FEATURES_BYTES @features_bytes@ /* of memory for one clip */
#define @NAME@_STREAM_BYTES @stream_bytes@ /* of memory for one stream */

/* Features of a whole clip. Memory of @NAME@_FEATURES_BYTES is any memory for floats; nothing is kept in it. */
int @name@_features(void *memory, const float *samples, float *features);

/* Start a stream in @NAME@_STREAM_BYTES of memory for floats. */
int @name@_stream_start(void *stream);

/* Hear the next @NAME@_HOP_SAMPLES samples. Returns 1 when a whole clip has been heard, and at every hop from then on;
   0 before that. */
int @name@_stream_push(void *stream, const float *samples);

/* Features of the latest whole clip of a stream, the same as @name@_features of its samples; it begins at a multiple
   of a hop. Only what the latest hop changed is computed. */
int @name@_stream_features(void *stream, float *features);
