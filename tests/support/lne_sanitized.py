"""Generated code run with the sanitizers of the compiler: memory, and what C leaves undefined."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from nodes.lne import Program
from nodes.lne.build import compiler, write_sources

_MAIN = """#include <stdio.h>
#include <stdlib.h>
void {name}_prepare(void *workspace);
void {name}_run(void *workspace, const float *input, float *output);
int main(void) {{
  void *workspace = aligned_alloc(64, {workspace});
  float *input = malloc(4 * {inputs}), *output = malloc(4 * {outputs});
  if (fread(input, 4, {inputs}, stdin) != {inputs}) return 2;
  {name}_prepare(workspace);
  for (int i = 0; i < 2; i++) {name}_run(workspace, input, output);
  fwrite(output, 4, {outputs}, stdout);
  free(workspace), free(input), free(output);
  return 0;
}}
"""


def run_sanitized(program: Program, folder: Path, values: np.ndarray) -> np.ndarray:
    """The second output of a program; an assertion fails with what the sanitizers say.

    Input, output and workspace are blocks of their own, exactly as large as promised.
    """
    graph = program.plan.graph
    source, stub = write_sources(program, folder)
    sizes = {"inputs": int(np.prod(graph.source_shape)), "outputs": int(np.prod(graph.result_shape))}
    main = folder / "main.c"
    workspace = -(-program.plan.workspace_bytes // 64) * 64
    main.write_text(_MAIN.format(name=program.name, workspace=workspace, **sizes))
    checks = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    flags = ("-O1", "-std=gnu11", "-Wno-psabi", *checks, *program.plan.target.flags)
    files = (str(main), str(source), str(stub), "-lm", "-o", str(folder / "checked"))
    subprocess.run([*compiler(), *flags, *files], check=True, timeout=300)
    given = np.ascontiguousarray(values, np.float32).tobytes()
    done = subprocess.run([str(folder / "checked")], input=given, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return np.frombuffer(done.stdout, np.float32).reshape(graph.result_shape)
