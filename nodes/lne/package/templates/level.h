/* The code of @name@ for one kind of processor. Pointers are null where the compiler could not translate it. */

#ifndef @NAME@_LEVEL_H
#define @NAME@_LEVEL_H

typedef struct {
  const char *name;
  void (*prepare)(void *workspace);
  void (*run)(void *workspace, const float *input, float *output);
@front_end@} @name@_code;

@declarations@

#endif
