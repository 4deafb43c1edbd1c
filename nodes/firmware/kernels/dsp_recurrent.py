"""Recurrent layers: several rows of a product at a time, against an input and a state that are expanded once a step.

Vanilla layers take several units at a time, GRUs and LSTMs the gates of one unit. The product whose sums are shifted
comes first, so that the other adds to the same registers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.curve import looked_up
from nodes.firmware.kernels.dsp import DIALECT, EXPAND, refusal
from nodes.firmware.kernels.plain_recurrent import HALF, end, kept_values, needs_wide, rules, start, step_order
from nodes.firmware.kernels.requantise import CLAMP, code_of, with_half
from nodes.firmware.writer import Writer
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntGru, IntLstm, IntRecurrent, IntSequence, Shift
from nodes.quant.steps import GATE_FRACTION

ROWS = 6
"""Units of a vanilla layer taken together, as many as registers hold."""
EXPAND_REST = """static inline __attribute__((always_inline, unused)) void
expand_rest(const int8_t *from, uint32_t *to, int bytes) {
  uint32_t four = 0;
  for (int i = 0; i < bytes; i++) four |= (uint32_t)(uint8_t)from[i] << (8 * i);
  to[0] = SXTB16(four);
  to[1] = SXTB16_ODD(four);
}"""


@dataclass(frozen=True)
class DspRecurrent(Kernel):
    """Maps of 8 bits."""

    ops = (IntRecurrent, IntGru, IntLstm)

    @property
    def name(self) -> str:
        return "dsp-recurrent"

    @property
    def rank(self) -> int:
        return 10

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, IntSequence)
        if "dsp" not in task.cpu.features or not task.is_byte:
            return refusal(task)
        if any(not 0 <= rule.right <= 31 for rule in rules(op)):
            return "its sums are not shifted to codes"
        return "its sums may need 64 bits" if needs_wide(op, task) else ""

    def scratch_bytes(self, task: Task) -> int:
        """The state's codes, the finer state or cell, the input and the state as pairs of 16 bits."""
        op = task.op
        assert isinstance(op, IntSequence)
        return _state_bytes(op) + 2 * (_fours(op.weight) + _fours(op.recurrence)) * 4

    def emit(self, task: Task, writer: Writer) -> None:
        op, x = task.op, task.inputs[0]
        assert isinstance(op, IntSequence)
        for text in (DIALECT, EXPAND, CLAMP):
            writer.function(text)
        units, kept = op.units, _state_bytes(op)
        pairs_at = kept // 4 + 2 * _fours(op.weight)
        writer.line(
            "int8_t *state = (int8_t *)s;",
            f"uint32_t *xs = (uint32_t *)s + {kept // 4}, *hs = (uint32_t *)s + {pairs_at};",
            *([] if isinstance(op, IntRecurrent) else [f"int16_t *extra = (int16_t *)(s + {_up(units)});"]),
            *start(op, writer, "state", kept),
            step_order(op, x.w),
            *(f"  {line}" for line in _expanded(f"x0 + t * {x.c}", "xs", x.c, writer)),
            *(f"  {line}" for line in _expanded("state", "hs", _up(units), writer)),
            *(f"  {line}" for line in _BODIES[type(op)](op, writer)),
            *([f"  for (int k = 0; k < {units}; k++) o[t * {units} + k] = state[k];"] if op.whole else []),
            "}",
            *([] if op.whole else [f"for (int k = 0; k < {units}; k++) o[k] = state[k];"]),
            *end(op, writer, "state", kept),
        )


def _up(size: int) -> int:
    """To a multiple of four."""
    return -(-size // 4) * 4


def _fours(matrix: Codes) -> int:
    return _up(matrix.shape[1]) // 4


def _state_bytes(op: IntSequence) -> int:
    return _up(_up(op.units) + 2 * (kept_values(op) - op.units))


def _expanded(source: str, to: str, size: int, writer: Writer) -> Iterator[str]:
    """Bytes as pairs of 16 bits, even and odd ones; behind the last there are zeros."""
    if size >= 4:
        yield f"expand({source}, {to}, {size // 4});"
    if size % 4:
        writer.function(EXPAND_REST)
        yield f"expand_rest({source} + {size // 4 * 4}, {to} + {size // 4 * 2}, {size % 4});"


@dataclass(frozen=True)
class _Product:
    """One of the two products: C name of what it reads, rows of codes, and the shift of its sums."""

    source: str
    matrix: Codes
    left: int


def _products(op: IntSequence) -> tuple[_Product, _Product]:
    """The one whose sums are shifted first."""
    both = _Product("xs", op.weight, op.shifts[0]), _Product("hs", op.recurrence, op.shifts[1])
    return both if both[0].left else (both[1], both[0])


def words(matrix: Codes, rows: Sequence[int]) -> NDArray[np.uint32]:
    """Of some rows the codes in fours, one word each, word by word the rows one after another."""
    fours = np.zeros((len(rows), _fours(matrix) * 4), np.int8)
    fours[:, : matrix.shape[1]] = matrix[list(rows)]
    return np.ascontiguousarray(fours).view("<u4").T.ravel().astype(np.uint32)


def _unsigned(values: Codes) -> NDArray[np.uint32]:
    return (values & 0xFFFF_FFFF).astype(np.uint32)


def _multiply(product: _Product, sums: Sequence[str]) -> Iterator[str]:
    """Add a product's rows to sums; the weights at `w` are passed."""
    rows, count = len(sums), _fours(product.matrix)
    yield f"\n#pragma GCC unroll {2 if count % 2 == 0 else 1}"
    yield f"for (const uint32_t *p = {product.source}; p < {product.source} + {2 * count}; p += 2, w += {rows}) {{"
    yield "  uint32_t even = p[0], odd = p[1], v;"
    for i, name in enumerate(sums):
        yield f"  v = w[{i}]; {name} = SMLAD(even, SXTB16(v), {name}); {name} = SMLAD(odd, SXTB16_ODD(v), {name});"
    yield "}"


def _vanilla(op: IntSequence, writer: Writer) -> Iterator[str]:
    assert isinstance(op, IntRecurrent)
    at, bias, products = 0, _unsigned(with_half(op.bias, op.requantise)), _products(op)
    for rows in range(ROWS, 0, -1):
        count = (op.units - at) // rows * rows
        if count == 0:
            continue
        blocks = [range(k, k + rows) for k in range(at, at + count, rows)]
        parts = [(words(products[0].matrix, b), bias[b.start : b.stop], words(products[1].matrix, b)) for b in blocks]
        weight = writer.constant(f"weight{rows}", np.concatenate([part for block in parts for part in block]))
        sums = [f"a{i}" for i in range(rows)]
        yield f"{{ const uint32_t *w = {weight};"
        yield f"for (int k = {at}; k < {at + count}; k += {rows}) {{"
        yield from _sums(products, sums, sums)
        for i, name in enumerate(sums):
            code = code_of(op.requantise, name, "k", writer, wide=False)
            yield f"  state[k + {i}] = (int8_t){looked_up(op.table, code, 'table', writer)};"
        yield "} }"
        at += count


def _sums(products: Sequence[_Product], first: Sequence[str], second: Sequence[str]) -> Iterator[str]:
    """All sums of a block: the first product, shifted, with the bias added, then the second."""
    names = list(dict.fromkeys((*first, *second)))
    yield "  int32_t " + ", ".join(f"{name} = 0" for name in names) + ";"
    yield from _multiply(products[0], first)
    for i, name in enumerate(names):
        shifted = f"{name} * (1 << {products[0].left})" if products[0].left and name in first else name
        yield f"  {name} = {shifted} + (int32_t)w[{i}];"
    yield f"  w += {len(names)};"
    yield from _multiply(products[1], second)


def _gates(op: IntSequence, bias: Codes, writer: Writer) -> Iterator[str]:
    """The head of the loop over units with the sums of their gates: a0, a1, ...; a GRU's hidden state's is `own`."""
    units, products = op.units, _products(op)
    gates = len(op.weight) // units
    rows = [range(k, gates * units, units) for k in range(units)]
    parts = [
        (words(products[0].matrix, r), _unsigned(bias[k]), words(products[1].matrix, r)) for k, r in enumerate(rows)
    ]
    weight = writer.constant("weight", np.concatenate([part for unit in parts for part in unit]))
    yield f"const uint32_t *w = {weight};"
    yield f"for (int k = 0; k < {units}; k++) {{"
    given = [f"a{i}" for i in range(gates)]
    kept = [*given[:2], "own"] if isinstance(op, IntGru) else given
    first, second = (given, kept) if products[0].source == "xs" else (kept, given)
    yield from _sums(products, first, second)


def _by_unit(op: IntSequence, bias: Codes) -> Codes:
    """Biases (gates x units,) as (units, gates)."""
    return bias.reshape(-1, op.units).T


def _gru(op: IntSequence, writer: Writer) -> Iterator[str]:
    assert isinstance(op, IntGru)
    gates, units = _by_unit(op, with_half(op.bias, op.gate)), op.units
    hidden, own = with_half(op.bias[2 * units :], op.middle), with_half(op.state_bias, op.middle)
    order = (hidden, own) if _products(op)[0].source == "xs" else (own, hidden)
    yield from _gates(op, np.column_stack((gates[:, :2], *order)), writer)

    def code(rule: Shift, total: str, *, folded: bool = True) -> str:
        return code_of(rule, total, "k", writer, wide=False, folded=folded)

    yield f"  int32_t update = {looked_up(op.sigmoid, code(op.gate, 'a0'), 'sigmoid', writer)};"
    yield f"  int32_t reset = {looked_up(op.sigmoid, code(op.gate, 'a1'), 'sigmoid', writer)};"
    yield f"  int32_t inner = (reset * {code(op.middle, 'own')} + {HALF}) >> {GATE_FRACTION};"
    total = f"ossicle_clamp({code(op.middle, 'a2')} + inner, INT16_MIN, INT16_MAX)"
    yield f"  int32_t hidden = {looked_up(op.tanh, total, 'tanh', writer)};"
    yield f"  hidden += (update * (extra[k] - hidden) + {HALF}) >> {GATE_FRACTION};"
    yield "  extra[k] = (int16_t)hidden;"
    yield f"  state[k] = (int8_t){code(op.result, 'hidden', folded=False)};"
    yield "}"


def _lstm(op: IntSequence, writer: Writer) -> Iterator[str]:
    assert isinstance(op, IntLstm)
    yield from _gates(op, _by_unit(op, with_half(op.bias, op.gate)), writer)

    def code(rule: Shift, total: str, *, folded: bool = True) -> str:
        return code_of(rule, total, "k", writer, wide=False, folded=folded)

    for index, name in enumerate(("taken", "shown", "forget", "added")):
        table = "tanh" if name == "added" else "sigmoid"
        yield f"  int32_t {name} = {looked_up(getattr(op, table), code(op.gate, f'a{index}'), table, writer)};"
    finer = GATE_FRACTION - op.cell
    yield f"  added = (taken * added + {1 << (finer - 1)}) >> {finer};"
    yield (
        f"  int32_t cell = ossicle_clamp((forget * extra[k] + added + {HALF}) >> {GATE_FRACTION}, "
        "INT16_MIN, INT16_MAX);"
    )
    yield "  extra[k] = (int16_t)cell;"
    yield f"  shown *= {looked_up(op.tanh, code(op.to_tanh, 'cell', folded=False), 'tanh', writer)};"
    yield f"  state[k] = (int8_t){code(op.result, 'shown', folded=False)};"
    yield "}"


_BODIES: Mapping[type[IntSequence], Callable[[IntSequence, Writer], Iterator[str]]] = MappingProxyType(
    {IntRecurrent: _vanilla, IntGru: _gru, IntLstm: _lstm}
)
KERNELS: tuple[Kernel, ...] = (DspRecurrent(),)
