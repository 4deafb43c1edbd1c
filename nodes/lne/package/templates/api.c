/* The functions of @name@.h: they find the best code for this processor and call it. */

#include "@name@.h"

#include <stdint.h>
#include <string.h>

#include "@name@_level.h"

@checks@
typedef struct {
  const @name@_code *code;
  int (*can_run)(void);
} level;

static const level levels[] = {
@table@
};

#define LEVELS (int)(sizeof levels / sizeof levels[0])

static const @name@_code *volatile used;
static unsigned char memory[@NAME@_WORKSPACE_BYTES + @NAME@_ALIGNMENT];
static void *volatile ready;

static const @name@_code *runnable(int index) {
  const level *one = &levels[index];
  return one->code->run && one->can_run() ? one->code : 0;
}

/* The code in use; the first call chooses it. Threads that come together choose the same. */
static const @name@_code *chosen(void) {
  const @name@_code *found = used;
  for (int i = 0; i < LEVELS && !found; i++) found = runnable(i);
  used = found;
  return found;
}

static int is_aligned(const void *workspace) {
  return workspace && (uintptr_t)workspace % @NAME@_ALIGNMENT == 0;
}

int @name@_prepare(void *workspace) {
  const @name@_code *code = chosen();
  if (!code) return @NAME@_ERROR_MACHINE;
  if (!is_aligned(workspace)) return @NAME@_ERROR_ARGUMENT;
  code->prepare(workspace);
  return 0;
}

int @name@_infer_with(void *workspace, const float *input, float *output) {
  const @name@_code *code = chosen();
  if (!code) return @NAME@_ERROR_MACHINE;
  if (!is_aligned(workspace) || !input || !output) return @NAME@_ERROR_ARGUMENT;
  code->run(workspace, input, output);
  return 0;
}

int @name@_init(void) {
  uintptr_t start = ((uintptr_t)memory + @NAME@_ALIGNMENT - 1) / @NAME@_ALIGNMENT * @NAME@_ALIGNMENT;
  int failed = @name@_prepare((void *)start);
  ready = failed ? 0 : (void *)start;
  return failed;
}

int @name@_infer(const float *input, float *output) {
  return ready ? @name@_infer_with(ready, input, output) : @NAME@_ERROR_ORDER;
}

const char *@name@_level(int index) {
  return index >= 0 && index < LEVELS ? levels[index].code->name : 0;
}

int @name@_use(const char *name) {
  for (int i = 0; name && i < LEVELS; i++) {
    if (strcmp(name, levels[i].code->name)) continue;
    const @name@_code *code = runnable(i);
    if (!code) return @NAME@_ERROR_MACHINE;
    used = code;
    ready = 0;
    return 0;
  }
  return @NAME@_ERROR_ARGUMENT;
}

const char *@name@_used(void) {
  const @name@_code *code = chosen();
  return code ? code->name : 0;
}

const char *@name@_class(int index) {
  static const char *const names[] = {@labels@};
  return index >= 0 && index < (int)(sizeof names / sizeof names[0]) ? names[index] : 0;
}
@front_end@