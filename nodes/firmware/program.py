"""From a network in integers to C: one function per layer, one block of memory, the functions a caller sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nodes.firmware.cpu import Cpu
from nodes.firmware.errors import FirmwareError
from nodes.firmware.kernel import Kernel, Task, c_type
from nodes.firmware.kernels import best
from nodes.firmware.kernels.plain import hwc_places
from nodes.firmware.writer import LONGEST, Writer, comment
from nodes.lne.arena import arrange
from nodes.lne.program import identifier
from nodes.quant.integer import IntConvPool, IntegerGraph, IntRearrange

ALIGN_BYTES = 4
RESERVED = frozenset((
    "startup", "memory", "test", "golden", "main", "app", "app_listen", "listen", "heard", "sound", "arduino",
    "features", "demo", "link", "firmware", "arm_acle", "assert", "complex", "ctype", "errno", "fenv", "float",
    "inttypes", "iso646", "limits", "locale", "math", "setjmp", "signal", "stdalign", "stdarg", "stdatomic",
    "stdbool", "stddef", "stdint", "stdio", "stdlib", "stdnoreturn", "string", "tgmath", "threads", "time", "uchar",
    "wchar", "wctype",
))  # fmt: skip
"""Names of a project's own files and of headers, which a network's files would hide."""


@dataclass(frozen=True)
class Layer:
    """One layer as it is computed.

    Attributes:
        output: the map it writes.
        ram_bytes: of its inputs, output and scratch, all alive together.
        symbols: names of its constants.
        function: the C function that computes it.
    """

    name: str
    output: str
    operator: str
    kernel: str
    macs: int
    ram_bytes: int
    symbols: tuple[str, ...]
    function: str = ""


@dataclass(frozen=True)
class Block:
    """A map or a layer's scratch in the block of memory: alive from layer `first` to layer `last`, both included."""

    name: str
    offset: int
    size_bytes: int
    first: int
    last: int
    is_scratch: bool = False


@dataclass(frozen=True)
class Program:
    """Generated code: `source` and `header` hold everything; nothing else is needed but a C compiler."""

    name: str
    cpu: Cpu
    graph: IntegerGraph
    source: str
    header: str
    arena_bytes: int
    layers: tuple[Layer, ...]
    blocks: tuple[Block, ...] = ()
    state_bytes: int = 0
    """Kept from call to call, beside the arena."""


@dataclass(frozen=True)
class _Step:
    task: Task
    kernel: Kernel


def generate(
    graph: IntegerGraph, cpu: Cpu, choices: Mapping[str, Kernel] | None = None, *, ram_limit_bytes: int | None = None
) -> Program:
    """C of a network for a processor; the same network gives the same bytes.

    Raises:
        FirmwareError: a layer has no kernel, or the maps need more memory than there is.
    """
    prefix, same = prefix_of(graph.name), aliases(graph)
    steps = [_step(Task(op, graph, cpu), choices or {}) for op in graph.ops if op.output not in same]
    sizes, alive = _buffers(graph, steps, same)
    offsets, arena_bytes = arrange(sizes, alive)
    if ram_limit_bytes is not None and arena_bytes > ram_limit_bytes:
        raise _too_large(sizes, alive, steps, arena_bytes, ram_limit_bytes)
    writer = Writer(prefix)
    functions, layers = [], []
    for index, step in enumerate(steps):
        known = set(writer.constants)
        functions.append(_function(writer, prefix, index, step))
        symbols = tuple(symbol for symbol in writer.constants if symbol not in known)
        layers.append(replace(_layer(step, sizes, symbols), function=function_name(prefix, index)))
    calls = list(_calls(graph, steps, offsets, same, prefix))
    source = _source(prefix, graph, writer, functions, calls, arena_bytes, offsets.get(graph.source, 0))
    blocks = _blocks(sizes, alive, offsets, steps)
    header = _header(prefix, graph, arena_bytes, has_state=bool(writer.states))
    return Program(prefix, cpu, graph, source, header, arena_bytes, tuple(layers), blocks, sum(writer.states.values()))


def _blocks(
    sizes: Mapping[str, int], alive: Mapping[str, tuple[int, int]], offsets: Mapping[str, int], steps: Sequence[_Step]
) -> tuple[Block, ...]:
    scratch = {_scratch(step.task.op.name) for step in steps}
    return tuple(Block(name, offsets[name], size, *alive[name], name in scratch) for name, size in sizes.items())


def prefix_of(name: str) -> str:
    """Of every file and symbol: an identifier that no file of a project, header of C or keyword has.

    >>> prefix_of("3x3 net"), prefix_of("string"), prefix_of("*/ evil")
    ('n3x3_net', 'net_string', 'evil')
    """
    found = identifier(name)[:LONGEST].rstrip("_")
    return f"net_{found}" if found in RESERVED or found.startswith("ossicle") else found


def function_name(prefix: str, index: int) -> str:
    """Of a layer, in C."""
    return f"{prefix}_layer_{index}"


def aliases(graph: IntegerGraph) -> dict[str, str]:
    """Maps that lie in memory as another does, by a rearrangement that changes nothing where channels come last."""
    same: dict[str, str] = {}
    for op in graph.ops:
        if isinstance(op, IntRearrange) and op.output != graph.result and _stays(op, graph):
            same[op.output] = same.get(op.inputs[0], op.inputs[0])
    return same


def _stays(op: IntRearrange, graph: IntegerGraph) -> bool:
    places = hwc_places(graph.maps[op.inputs[0]])[op.table]
    order = places.reshape(graph.maps[op.output].shape).transpose(1, 2, 0).ravel()
    return bool((order == range(order.size)).all())


def _step(task: Task, choices: Mapping[str, Kernel]) -> _Step:
    kernel = choices.get(task.op.name) or best(task)
    if reason := kernel.refuse(task):
        raise FirmwareError(
            f"{task.op.name}: {kernel.name} cannot compute it: {reason}.", "a kernel that can", "Choose another."
        )
    return _Step(task, kernel)


def _scratch(layer: str) -> str:
    return f"the scratch of {layer}"


def _bytes(graph: IntegerGraph, name: str) -> int:
    item = 1 if graph.forms[name].bits <= 8 else 2
    return -(-graph.maps[name].size * item // ALIGN_BYTES) * ALIGN_BYTES


def _buffers(
    graph: IntegerGraph, steps: Sequence[_Step], same: Mapping[str, str]
) -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
    """Bytes and life of every map but the result, and of each layer's scratch.

    The input has a place too, from the start to its last reader, so that a caller needs no memory for it.
    """
    sizes: dict[str, int] = {}
    alive: dict[str, tuple[int, int]] = {}
    for index, step in enumerate(steps):
        for name in (same.get(name, name) for name in (*step.task.op.inputs, step.task.op.output)):
            if name != graph.result:
                sizes[name] = _bytes(graph, name)
                alive[name] = (0 if name == graph.source else alive.get(name, (index, index))[0], index)
        if scratch := step.kernel.scratch_bytes(step.task):
            own = _scratch(step.task.op.name)
            sizes[own], alive[own] = -(-scratch // ALIGN_BYTES) * ALIGN_BYTES, (index, index)
    return sizes, alive


def _too_large(
    sizes: Mapping[str, int], alive: Mapping[str, tuple[int, int]], steps: Sequence[_Step], needed: int, limit: int
) -> FirmwareError:
    """Says at which layer most is alive, and which map is the largest there."""
    totals = [
        sum(size for name, size in sizes.items() if alive[name][0] <= index <= alive[name][1])
        for index in range(len(steps))
    ]
    worst = max(range(len(steps)), key=totals.__getitem__)
    largest = max((name for name in sizes if alive[name][0] <= worst <= alive[name][1]), key=sizes.__getitem__)
    return FirmwareError(
        f"The maps need {needed:,} bytes of RAM; at {steps[worst].task.op.name}, {largest} alone takes "
        f"{sizes[largest]:,}.",
        f"at most {limit:,} bytes",
        "Choose a smaller network, a shorter input, or another device.",
    )


def _layer(step: _Step, sizes: Mapping[str, int], symbols: tuple[str, ...]) -> Layer:
    op, graph = step.task.op, step.task.graph
    names = [*op.inputs, op.output]
    ram = sum(_bytes(graph, name) for name in names) + sizes.get(_scratch(op.name), 0)
    return Layer(
        op.name, op.output, type(op).__name__.removeprefix("Int"), step.kernel.name, macs(step.task), ram, symbols
    )


def macs(task: Task) -> int:
    """Multiply-accumulates of an operation."""
    op = task.op
    if isinstance(op, IntConvPool):
        return int(op.conv.weight.size) * op.between.h * op.between.w
    weight = getattr(op, "weight", None)
    if weight is None:
        return 0
    recurrence = getattr(op, "recurrence", None)
    if recurrence is not None:
        return int(weight.size + recurrence.size) * task.inputs[0].w
    return int(weight.size) * task.output.h * task.output.w


def _function(writer: Writer, prefix: str, index: int, step: _Step) -> str:
    task = step.task
    writer.begin(task.op.name)
    step.kernel.emit(task, writer)
    inputs = ", ".join(f"const {c_type(form)} *x{i}" for i, form in enumerate(task.forms[:-1]))
    body = "\n".join(f"  {line}" for line in writer.end())
    title = comment(f"{task.op.name} · {step.kernel.name}")
    return (
        f"/* {title} */\nOSSICLE_LAYER void {function_name(prefix, index)}({inputs}, "
        f"{c_type(task.forms[-1])} *o, unsigned char *s) {{\n  (void)s;\n{body}\n}}\n"
    )


def _calls(
    graph: IntegerGraph, steps: Sequence[_Step], offsets: Mapping[str, int], same: Mapping[str, str], prefix: str
) -> Iterator[str]:
    def address(name: str) -> str:
        name = same.get(name, name)
        if name in (graph.source, graph.result):
            return "input" if name == graph.source else "output"
        return f"({c_type(graph.forms[name])} *)({prefix}_arena + {offsets[name]})"

    for index, step in enumerate(steps):
        op = step.task.op
        given = ", ".join(address(name) for name in op.inputs)
        scratch = f"{prefix}_arena + {offsets.get(_scratch(op.name), 0)}"
        yield f"OSSICLE_BEFORE({index});"
        yield f"{function_name(prefix, index)}({given}, {address(op.output)}, {scratch});"
        form, size = graph.forms[op.output], graph.maps[op.output].size
        yield f"OSSICLE_AFTER({index}, {address(op.output)}, {size * (1 if form.bits <= 8 else 2)});"


def _source(
    prefix: str,
    graph: IntegerGraph,
    writer: Writer,
    functions: Sequence[str],
    calls: Sequence[str],
    arena_bytes: int,
    input_offset: int,
) -> str:
    given, result = (c_type(graph.forms[name]) for name in (graph.source, graph.result))
    body = "\n".join(f"  {line}" for line in calls)
    return "\n".join(
        (
            f'#include "{prefix}.h"\n',
            "void *memcpy(void *to, const void *from, __SIZE_TYPE__ bytes);",
            "void *memset(void *to, int value, __SIZE_TYPE__ bytes);\n",
            _NEEDS,
            _LAYER,
            _HOOKS,
            f"static unsigned char {prefix}_arena[{max(arena_bytes, ALIGN_BYTES)}] __attribute__((aligned(8)));\n",
            *_states(writer),
            *writer.constants.values(),
            "",
            *writer.functions,
            "",
            *functions,
            f"void {prefix}_run(const {given} *input, {result} *output) {{\n{body}\n}}\n",
            f"{given} *{prefix}_input(void) {{\n  return ({given} *)({prefix}_arena + {input_offset});\n}}\n",
            *_reset(prefix, writer),
        )
    )


def _states(writer: Writer) -> Iterator[str]:
    for symbol, size_bytes in writer.states.items():
        yield f"static unsigned char {symbol}[{size_bytes}] __attribute__((aligned(8)));\n"


def _reset(prefix: str, writer: Writer) -> Iterator[str]:
    if writer.states:
        body = "\n".join(f"  memset({symbol}, 0, {size_bytes});" for symbol, size_bytes in writer.states.items())
        yield f"void {prefix}_reset(void) {{\n{body}\n}}\n"


_NEEDS = """_Static_assert(sizeof(int) >= 4, "int has 32 bits at least");
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "codes lie in memory with their low byte first"
#endif
"""

_LAYER = """/* Once GCC 12 knows that what a layer reads and what it writes lie in one array, it may take
   the layer for one without effect and drop its call: it is to know nothing. */
#if defined(__GNUC__) && !defined(__clang__)
#define OSSICLE_LAYER static __attribute__((noipa))
#else
#define OSSICLE_LAYER static __attribute__((noinline))
#endif
"""

_HOOKS = """/* A test sees every layer by these two; without OSSICLE_TRACE they are nothing. */
#ifdef OSSICLE_TRACE
void ossicle_before(int layer);
void ossicle_after(int layer, const void *codes, unsigned bytes);
#define OSSICLE_BEFORE(layer) ossicle_before(layer)
#define OSSICLE_AFTER(layer, codes, bytes) ossicle_after(layer, codes, bytes)
#else
#define OSSICLE_BEFORE(layer)
#define OSSICLE_AFTER(layer, codes, bytes)
#endif
"""


def _header(prefix: str, graph: IntegerGraph, arena_bytes: int, *, has_state: bool) -> str:
    given, result = graph.maps[graph.source], graph.maps[graph.result]
    forms = graph.forms[graph.source], graph.forms[graph.result]
    guard = f"{prefix.upper()}_H"
    reset = (
        f"/* Forgets what recurrent layers keep from call to call. */\nvoid {prefix}_reset(void);\n"
        if has_state
        else ""
    )
    return f"""/* {comment(graph.name)}
 * Codes in, codes out: value = code * 2^-fraction; order: rows, columns, channels. */
#ifndef {guard}
#define {guard}

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {prefix.upper()}_INPUT_SIZE {given.size}
#define {prefix.upper()}_INPUT_FRACTION {forms[0].fraction}
#define {prefix.upper()}_OUTPUT_SIZE {result.size}
#define {prefix.upper()}_OUTPUT_FRACTION {forms[1].fraction}
#define {prefix.upper()}_ARENA_BYTES {arena_bytes}

typedef {c_type(forms[0])} {prefix}_input_t;
typedef {c_type(forms[1])} {prefix}_output_t;

void {prefix}_run(const {prefix}_input_t *input, {prefix}_output_t *output);
/* A place for the input that costs no memory of its own; a run writes over it. */
{prefix}_input_t *{prefix}_input(void);
{reset}
#ifdef __cplusplus
}}
#endif

#endif
"""
