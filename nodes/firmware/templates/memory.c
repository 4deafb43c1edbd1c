/* What compilers call without being asked, for builds without a C library. Words where both ends allow it; volatile,
   lest a compiler makes of a loop the call that it stands for. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);

typedef uint32_t __attribute__((may_alias)) word_t;
enum { WORD = sizeof(word_t) };

void *memcpy(void *to, const void *from, size_t bytes) {
  volatile uint8_t *a = to;
  const uint8_t *b = from;
  if ((((uintptr_t)a | (uintptr_t)b) & (WORD - 1)) == 0)
    for (; bytes >= WORD; a += WORD, b += WORD, bytes -= WORD) *(volatile word_t *)a = *(const word_t *)b;
  while (bytes--) *a++ = *b++;
  return to;
}

void *memset(void *to, int value, size_t bytes) {
  volatile uint8_t *a = to;
  const word_t word = (uint8_t)value * 0x01010101u;
  for (; bytes && (uintptr_t)a & (WORD - 1); bytes--) *a++ = (uint8_t)value;
  for (; bytes >= WORD; a += WORD, bytes -= WORD) *(volatile word_t *)a = word;
  while (bytes--) *a++ = (uint8_t)value;
  return to;
}

void *memmove(void *to, const void *from, size_t bytes) {
  volatile uint8_t *a = to;
  const uint8_t *b = from;
  if ((uintptr_t)a < (uintptr_t)b) return memcpy(to, from, bytes);
  while (bytes--) a[bytes] = b[bytes];
  return to;
}
