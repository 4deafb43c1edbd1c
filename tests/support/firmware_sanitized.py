"""Generated firmware on this machine, run with the compiler's sanitizers: memory, and what C leaves undefined."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nodes.firmware.golden import in_memory
from nodes.firmware.program import Program
from nodes.quant.fixed import Codes
from nodes.quant.integer import evaluate

COMPILER = shutil.which("gcc") or shutil.which("cc") or ""
FLAGS = ("-O1", "-std=gnu11", "-w", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@dataclass(frozen=True)
class Case:
    """A program and codes (channels, rows, columns) of clips."""

    program: Program
    clips: Sequence[Codes]


def wrong_under_sanitizers(cases: Sequence[Case], folder: Path) -> list[str]:
    """Names of the programs whose answers are not the reference's; an assertion fails with what the sanitizers say.

    Inputs and outputs are blocks of their own, exactly as large as promised. All programs are one executable.
    """
    main = ["#include <stdio.h>", "#include <stdlib.h>", "#include <string.h>", "int main(void) {"]
    headers, sources = [], []
    for case in cases:
        name = case.program.name
        (folder / f"{name}.c").write_text(case.program.source)
        (folder / f"{name}.h").write_text(case.program.header)
        headers.append(f'#include "{name}.h"')
        sources.append(f"{name}.c")
        main.extend(line for clip in case.clips for line in _run(case.program, clip))
    (folder / "main.c").write_text("\n".join((*headers, *main, "  return 0;", "}", "")))
    subprocess.run([COMPILER, *FLAGS, "main.c", *sources, "-o", "checked"], cwd=folder, check=True, timeout=300)
    done = subprocess.run([str(folder / "checked")], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return sorted(set(done.stdout.split()))


def _run(program: Program, clip: Codes) -> list[str]:
    """C that runs a clip and tells the program's name if the answer is not the reference's."""
    graph, name = program.graph, program.name
    given = in_memory(clip, graph, graph.source)
    wanted = in_memory(evaluate(graph, clip)[graph.result], graph, graph.result)
    return [
        "  {",
        f"    static const {name}_input_t given[] = {{{', '.join(map(str, given.tolist()))}}};",
        f"    static const {name}_output_t wanted[] = {{{', '.join(map(str, np.asarray(wanted).tolist()))}}};",
        f"    {name}_input_t *input = malloc(sizeof given);",
        f"    {name}_output_t *output = malloc(sizeof wanted);",
        "    memcpy(input, given, sizeof given);",
        f"    {name}_run(input, output);",
        f'    if (memcmp(output, wanted, sizeof wanted)) puts("{name}");',
        "    free(input), free(output);",
        "  }",
    ]
