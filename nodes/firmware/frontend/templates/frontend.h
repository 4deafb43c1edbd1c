/* @about@; value = code * 2^-@fraction@; written as frames x coefficients, the oldest frame first. */
#ifndef @NAME@_H
#define @NAME@_H

#include <stdint.h>

#define @NAME@_RATE_HZ @rate_hz@
#define @NAME@_CLIP_SAMPLES @clip_samples@
#define @NAME@_WINDOW_SAMPLES @window@
#define @NAME@_HOP_SAMPLES @hop@
#define @NAME@_FRAMES @frames@
#define @NAME@_COEFFICIENTS @coefficients@
#define @NAME@_FRACTION @fraction@

/* Forget all samples and frames. */
void @name@_start(void);

/* Take any number of samples; returns how many frames they completed. Frames go into a ring of @NAME@_FRAMES. */
int @name@_push(const int16_t *samples, int count);

/* Push the silence that a clip ends with: @after@ zeros. For clips only; a stream goes on. */
int @name@_finish(void);

/* Frames gathered since the start, up to @NAME@_FRAMES: then there is enough for the network. */
int @name@_ready(void);

/* The ring in the order of time: what a network reads as its input. */
const @code@ *@name@_features(void);

#endif
