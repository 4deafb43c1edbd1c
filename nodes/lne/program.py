"""From a plan to C: one function per layer, and the functions a caller sees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nodes.lne.dialect import header
from nodes.lne.layout import Buffer
from nodes.lne.plan import Plan, Step
from nodes.lne.writer import Writer


@dataclass(frozen=True)
class Program:
    """Generated code.

    Attributes:
        name: prefix of every public symbol.
        source: the C file; compiled with LNE_PROFILE it also has `NAME_profile`.
        weights: what the symbol NAME_weights holds, aligned to 64 bytes.
        layers: what each step computes, in order.
    """

    name: str
    source: str
    weights: bytes
    layers: tuple[str, ...]
    plan: Plan


def generate(plan: Plan, name: str | None = None) -> Program:
    """C of a plan. The same plan gives the same bytes."""
    prefix = identifier(name or plan.graph.name)
    writer = Writer(prefix)
    layers, callees = _layers(plan, writer, prefix)
    source = "\n".join(
        (
            header(plan.target),
            f"extern const unsigned char {prefix}_weights[];\n",
            *writer.functions,
            *layers,
            _prepare(plan, prefix),
            _run(plan, prefix, callees),
        )
    )
    return Program(prefix, source, writer.weights, tuple(step.task.op.name for step in plan.steps), plan)


def identifier(name: str) -> str:
    """A C identifier for a network's name."""
    kept = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "network"
    return f"n{kept}" if kept[0].isdigit() else kept


def _layers(plan: Plan, writer: Writer, prefix: str) -> tuple[list[str], list[int]]:
    """The layers' functions, and which of them each step calls: steps that do the same share one."""
    texts: list[str] = []
    callees: list[int] = []
    known: dict[tuple[str, ...], int] = {}
    for index, step in enumerate(plan.steps):
        before = set(writer.functions)
        text = _layer(writer, prefix, index, step)
        mark = f"{prefix}_{index}_"
        own = [function for function in writer.functions if function not in before and mark in function]
        body = text.partition("\n")[2]  # the first line names the step
        same = tuple(part.replace(mark, "@") for part in (*own, body))
        callees.append(known.setdefault(same, index))
        if callees[-1] == index:
            texts.append(text)
        else:
            writer.forget(own)
    return texts, callees


def _layer(writer: Writer, prefix: str, index: int, step: Step) -> str:
    writer.begin(f"{prefix}_{index}")
    step.primitive.emit(step.place, writer)
    alone = "" if step.in_place else "restrict "
    inputs = ", ".join(f"const {b.c_type} *{alone}x{i}" for i, b in enumerate(step.inputs))
    signature = f"{inputs}, {step.output.c_type} *{alone}o, unsigned char *restrict s"
    body = "\n".join(f"  {line}" for line in writer.end())
    title = f"{step.task.op.name} · {step.primitive.name}".replace("*/", "* /")
    return (
        f"/* {title} */\nstatic __attribute__((noinline)) void {prefix}_{index}_layer({signature}) {{\n"
        f"  (void)s;\n{body}\n}}\n"
    )


def _address(buffer: Buffer) -> str:
    if buffer.place != "workspace":
        return buffer.place
    return f"({buffer.c_type} *)(workspace + {buffer.offset})"


def _prepare(plan: Plan, prefix: str) -> str:
    """Zero everything; 8-bit borders hold their zero point."""
    lines = [f"memset(workspace, 0, {plan.workspace_bytes});"]
    for buffer in plan.buffers:
        value = _blank(plan, buffer)
        if value:
            lines.append(f"memset((unsigned char *)workspace + {buffer.offset}, {value}, {buffer.size});")
    body = "\n".join(f"  {line}" for line in lines)
    return (
        f"size_t {prefix}_workspace_bytes(void) {{ return {plan.workspace_bytes}; }}\n\n"
        f"void {prefix}_prepare(void *workspace) {{\n{body}\n}}\n"
    )


def _blank(plan: Plan, buffer: Buffer) -> int:
    """The byte an empty place of a buffer holds."""
    return plan.steps[0].task.ranges[buffer.map.name].zero if buffer.format.dtype == "u8" else 0


def _calls(plan: Plan, prefix: str, callees: Sequence[int], marks: bool) -> Iterator[str]:
    for index, (step, callee) in enumerate(zip(plan.steps, callees, strict=True)):
        if marks:
            yield f"marks[{index}] = lne_ticks();"
        if step.clears:
            yield f"memset(workspace + {step.output.offset}, {_blank(plan, step.output)}, {step.output.bytes});"
        inputs = ", ".join(_address(buffer) for buffer in step.inputs)
        yield f"{prefix}_{callee}_layer({inputs}, {_address(step.output)}, workspace + {plan.scratch_offset});"
    if marks:
        yield f"marks[{len(plan.steps)}] = lne_ticks();"


def _run(plan: Plan, prefix: str, callees: Sequence[int]) -> str:
    def function(name: str, more: str, marks: bool) -> str:
        body = "\n".join(f"  {line}" for line in _calls(plan, prefix, callees, marks))
        return (
            f"void {prefix}_{name}(void *place, const float *input, float *output{more}) {{\n"
            f"  unsigned char *workspace = place;\n{body}\n}}\n"
        )

    profile = function("profile", ", uint64_t *marks", marks=True)
    return f"{function('run', '', marks=False)}\n#ifdef LNE_PROFILE\n{_TICKS}\n{profile}#endif\n"


_TICKS = """#include <time.h>
static inline uint64_t lne_ticks(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  uint64_t ticks;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}"""
