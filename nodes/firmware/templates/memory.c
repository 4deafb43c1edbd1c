/* What compilers call without being asked, for builds without a C library. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);

void *memcpy(void *to, const void *from, size_t bytes) {
  volatile uint8_t *a = to;
  const uint8_t *b = from;
  while (bytes--) *a++ = *b++;
  return to;
}

void *memset(void *to, int value, size_t bytes) {
  volatile uint8_t *a = to;
  while (bytes--) *a++ = (uint8_t)value;
  return to;
}

void *memmove(void *to, const void *from, size_t bytes) {
  volatile uint8_t *a = to;
  const uint8_t *b = from;
  if ((uintptr_t)a < (uintptr_t)b) {
    while (bytes--) *a++ = *b++;
  } else {
    while (bytes--) a[bytes] = b[bytes];
  }
  return to;
}
