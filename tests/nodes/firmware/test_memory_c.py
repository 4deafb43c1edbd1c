"""memcpy, memset and memmove of builds without a C library, at every alignment, under the sanitizers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from nodes.firmware.project import TEMPLATES

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
void *own_memcpy(void *, const void *, size_t);
void *own_memset(void *, int, size_t);
void *own_memmove(void *, const void *, size_t);
enum { SIZE = 64 };
static unsigned char ours[SIZE] __attribute__((aligned(8))), theirs[SIZE], from[SIZE] __attribute__((aligned(8)));
static void fill(void) {
  for (int i = 0; i < SIZE; i++) ours[i] = theirs[i] = (unsigned char)(i * 7), from[i] = (unsigned char)(i ^ 90);
}
static int differ(void) { int found = memcmp(ours, theirs, SIZE) != 0; fill(); return found; }
int main(void) {
  int wrong = 0, tried = 0;
  fill();
  for (int a = 0; a < 9; a++)
    for (int b = 0; b < 9; b++)
      for (size_t n = 0; n < 24; n++, tried += 3) {
        wrong += own_memcpy(ours + a, from + b, n) != ours + a; memcpy(theirs + a, from + b, n); wrong += differ();
        wrong += own_memset(ours + a, b * 61 - 1, n) != ours + a; memset(theirs + a, b * 61 - 1, n); wrong += differ();
        wrong += own_memmove(ours + a, ours + b, n) != ours + a; memmove(theirs + a, theirs + b, n); wrong += differ();
      }
  printf("%d %d\n", tried, wrong);
  return wrong != 0;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a compiler for this machine")
def test_they_do_what_those_of_the_library_do(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(PROGRAM)
    shutil.copy(TEMPLATES / "memory.c", tmp_path / "memory.c")
    names = [f"-D{name}=own_{name}" for name in ("memcpy", "memset", "memmove")]
    safe = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-builtin")
    for command in (
        ["cc", *safe, *names, "-c", "memory.c"],
        ["cc", *safe, "main.c", "memory.o", "-o", "all"],
        ["./all"],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout == f"{9 * 9 * 24 * 3} 0\n"
