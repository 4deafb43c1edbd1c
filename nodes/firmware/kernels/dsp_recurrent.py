"""Recurrent layers: several rows of a product at a time, against an input and a state that are expanded once a step.

Vanilla layers take several units at a time, GRUs and LSTMs the gates of one unit. The product whose sums are shifted
comes first, so that the other adds to the same registers. Weights of 8 bits are expanded on the way, as each is used
once a step; of 16 bits they are pairs already, and sums have 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.curve import looked_up
from nodes.firmware.kernels.dsp import DIALECT
from nodes.firmware.kernels.dsp_block import Block, split
from nodes.firmware.kernels.dsp_bytes import ByteBlock
from nodes.firmware.kernels.plain_recurrent import HALF, end, kept_values, needs_wide, rules, start, step_order
from nodes.firmware.kernels.requantise import CLAMP, code_of, with_half
from nodes.firmware.writer import Writer
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntGru, IntLstm, IntRecurrent, IntSequence, Shift
from nodes.quant.steps import GATE_FRACTION

EXPAND_BYTES = """static inline __attribute__((always_inline, unused)) void
expand_bytes(const int8_t *from, uint32_t *to, int codes) {
  for (int i = 0; i < codes / 4; i++) {
    uint32_t four = LOAD4(from + 4 * i);
    *to++ = SXTB16(four);
    *to++ = SXTB16_ODD(four);
  }
  if (codes % 4) {
    uint32_t four = 0;
    for (int j = 0; j < codes % 4; j++) four |= (uint32_t)(uint8_t)from[codes / 4 * 4 + j] << (8 * j);
    to[0] = SXTB16(four);
    to[1] = SXTB16_ODD(four);
  }
}"""
COPY_PAIRS = """static inline __attribute__((always_inline, unused)) void
copy_pairs(const int16_t *from, uint32_t *to, int codes) {
  for (int i = 0; i < codes / 2; i++) to[i] = LOAD4(from + 2 * i);
  if (codes % 2) to[codes / 2] = (uint16_t)from[codes - 1];
}"""


@dataclass(frozen=True)
class _Width:
    """How codes of 8 or 16 bits are multiplied.

    Attributes:
        codes: in a word of weights.
        given_words: pairs that a word of weights meets.
        rows: most that are taken together.
    """

    code: str
    sum: str
    codes: int
    given_words: int
    rows: int
    expand: str
    function: str

    def run(self, writer: Writer, rows: int, matrix: Codes) -> Iterator[str]:
        """C that adds the products of some rows to `sum`."""
        words = self.words(matrix)
        if self.codes == 4:
            return ByteBlock(rows).run(writer, words)
        return Block(1, rows, wide=True).run(writer, words, starts=False)

    def words(self, matrix: Codes) -> int:
        """Words of a row."""
        return int(-(-matrix.shape[1] // self.codes))

    def packed(self, matrix: Codes, rows: Sequence[int]) -> NDArray[np.uint32]:
        """Some rows, word by word one after another; behind the last code there are zeros."""
        padded = np.zeros((len(rows), self.words(matrix) * self.codes), np.int8 if self.codes == 4 else np.int16)
        padded[:, : matrix.shape[1]] = matrix[list(rows)]
        return padded.view("<u4").T.ravel().astype(np.uint32)

    def bias(self, values: Codes) -> NDArray[np.uint32]:
        """What sums start from, as words."""
        return np.ascontiguousarray(values, "<i4" if self.sum == "int32_t" else "<i8").view("<u4").astype(np.uint32)

    def bias_at(self, index: int) -> str:
        """C of one of them, at `w`."""
        if self.sum == "int32_t":
            return f"(int32_t)w[{index}]"
        return f"(int64_t)((uint64_t)w[{2 * index + 1}] << 32 | w[{2 * index}])"


_BYTES = _Width("int8_t", "int32_t", 4, 2, 6, EXPAND_BYTES, "expand_bytes")
_PAIRS = _Width("int16_t", "int64_t", 2, 1, 3, COPY_PAIRS, "copy_pairs")


@dataclass(frozen=True)
class DspRecurrent(Kernel):
    """Maps of 8 or of 16 bits."""

    ops = (IntRecurrent, IntGru, IntLstm)

    @property
    def name(self) -> str:
        return "dsp-recurrent"

    @property
    def rank(self) -> int:
        return 10

    def refuse(self, task: Task) -> str:
        """See `Kernel`."""
        op = task.op
        assert isinstance(op, IntSequence)
        if "dsp" not in task.cpu.features:
            return "the processor has no 16-bit SIMD"
        if len({form.bits <= 8 for form in task.forms}) > 1:
            return "it reads and writes codes of different width"
        if any(not 0 <= rule.right <= 31 for rule in rules(op)):
            return "its sums are not shifted to codes"
        if task.is_byte and max(np.abs(part + 0.5).max() for part in (op.weight, op.recurrence)) > 127.5:
            return "its weights are not in 8 bits"
        return "its sums may need 64 bits" if task.is_byte and needs_wide(op, task) else ""

    def scratch_bytes(self, task: Task) -> int:
        """The state's codes, the finer state or cell, the input and the state as pairs of 16 bits."""
        op, width = task.op, _width(task)
        assert isinstance(op, IntSequence)
        words = width.words(op.weight) + width.words(op.recurrence)
        return _state_bytes(op, width) + 4 * width.given_words * words

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
        op, x, width = task.op, task.inputs[0], _width(task)
        assert isinstance(op, IntSequence)
        for text in (DIALECT, width.expand, CLAMP):
            writer.function(text)
        units, codes, kept = op.units, _codes_bytes(op, width), _state_bytes(op, width)
        behind = kept // 4 + width.given_words * width.words(op.weight)
        body = _Body(op, width, writer)
        writer.line(
            f"{width.code} *state = ({width.code} *)s;",
            f"uint32_t *xs = (uint32_t *)s + {kept // 4}, *hs = (uint32_t *)s + {behind};",
            *([] if isinstance(op, IntRecurrent) else [f"int16_t *extra = (int16_t *)(s + {codes});"]),
            *start(op, writer, "state", kept),
            step_order(op, x.w),
            f"  {width.function}(x0 + t * {x.c}, xs, {x.c});",
            f"  {width.function}(state, hs, {units});",
            *(f"  {line}" for line in _BODIES[type(op)](body)),
            *([f"  for (int k = 0; k < {units}; k++) o[t * {units} + k] = state[k];"] if op.whole else []),
            "}",
            *([] if op.whole else [f"for (int k = 0; k < {units}; k++) o[k] = state[k];"]),
            *end(op, writer, "state", kept),
        )


def _width(task: Task) -> _Width:
    return _BYTES if task.is_byte else _PAIRS


def _codes_bytes(op: IntSequence, width: _Width) -> int:
    """Of the state's codes, in whole words."""
    return -(-op.units * (1 if width is _BYTES else 2) // 4) * 4


def _state_bytes(op: IntSequence, width: _Width) -> int:
    """Of all that is kept from step to step."""
    return _codes_bytes(op, width) + -(-2 * (kept_values(op) - op.units) // 4) * 4


@dataclass(frozen=True)
class _Product:
    """One of the two products: C name of what it reads, rows of codes, and the shift of its sums."""

    source: str
    matrix: Codes
    left: int


@dataclass(frozen=True)
class _Body:
    """What is written within the loop over the steps."""

    op: IntSequence
    width: _Width
    writer: Writer

    @property
    def products(self) -> tuple[_Product, _Product]:
        """The one whose sums are shifted first."""
        both = _Product("xs", self.op.weight, self.op.shifts[0]), _Product("hs", self.op.recurrence, self.op.shifts[1])
        return both if both[0].left else (both[1], both[0])

    def constants(self, rows: Sequence[int], bias: Codes) -> Iterator[NDArray[np.uint32]]:
        """What `sums` reads at `w` for some rows: the first product's, the biases, the second's."""
        first, second = self.products
        yield self.width.packed(first.matrix, rows)
        yield self.width.bias(bias)
        yield self.width.packed(second.matrix, rows)

    def sums(self, rows: int, at: int, *, parts: bool = False) -> Iterator[str]:
        """Sums of some rows, to `total[at]` and on.

        With `parts` the last row's products stay apart: the first product's sum with its bias, then the second's.
        """
        (first, second), kind = self.products, self.width.sum
        last = rows - 1
        yield f"{{ {kind} sum[{rows}] = {{0}};"
        yield f"  const uint32_t *row = {first.source};"
        yield from (f"  {line}" for line in self.width.run(self.writer, rows, first.matrix))
        for i in range(rows):
            shifted = f"sum[{i}] * (({kind})1 << {first.left})" if first.left else f"sum[{i}]"
            place = f"total[{at + i}]" if parts and i == last else f"sum[{i}]"
            yield f"  {place} = {shifted} + {self.width.bias_at(i)};"
        if parts:
            yield f"  sum[{last}] = {self.width.bias_at(rows)};"
        yield f"  w += {(rows + parts) * (1 if kind == 'int32_t' else 2)};"
        yield f"  row = {second.source};"
        yield from (f"  {line}" for line in self.width.run(self.writer, rows, second.matrix))
        yield from (f"  total[{at + i + (parts and i == last)}] = sum[{i}];" for i in range(rows))
        yield "}"

    def code(self, rule: Shift, total: str, *, folded: bool = True) -> str:
        """C of the code for a sum, or of what is no sum."""
        return code_of(rule, total, "k", self.writer, wide=folded and self.width.sum == "int64_t", folded=folded)


def _vanilla(body: _Body) -> Iterator[str]:
    op, writer = body.op, body.writer
    assert isinstance(op, IntRecurrent)
    bias = with_half(op.bias, op.requantise)
    parts = list(split(op.units, tuple(range(body.width.rows, 0, -1))))
    blocks = [range(k, k + rows) for first, last, rows in parts for k in range(first, last, rows)]
    packed = [words for block in blocks for words in body.constants(block, bias[block.start : block.stop])]
    yield f"const uint32_t *w = {writer.constant('weight', np.concatenate(packed))};"
    for first, last, rows in parts:
        yield f"for (int k = {first}; k < {last}; k += {rows}) {{"
        yield f"  {body.width.sum} total[{rows}];"
        yield from (f"  {line}" for line in body.sums(rows, 0))
        for i in range(rows):
            value = looked_up(op.table, body.code(op.requantise, f"total[{i}]"), "table", writer)
            yield f"  state[k + {i}] = ({body.width.code}){value};"
        yield "}"


def _units(body: _Body, bias: Codes, gates: Sequence[Sequence[int]], *, parts: bool) -> Iterator[str]:
    """The head of the loop over units, with the sums of their gates taken in some groups; biases (units, gates)."""
    op, packed = body.op, list[NDArray[np.uint32]]()
    for k in range(op.units):
        at = 0
        for group in gates:
            count = len(group) + parts
            packed.extend(body.constants([g * op.units + k for g in group], bias[k, at : at + count]))
            at += count
    yield f"const uint32_t *w = {body.writer.constant('weight', np.concatenate(packed))};"
    yield f"for (int k = 0; k < {op.units}; k++) {{"
    yield f"  {body.width.sum} total[{bias.shape[1]}];"
    for group in gates:
        yield from (f"  {line}" for line in body.sums(len(group), group[0], parts=parts))


def _gru(body: _Body) -> Iterator[str]:
    op, writer, units = body.op, body.writer, body.op.units
    assert isinstance(op, IntGru)
    given, kept = with_half(op.bias[2 * units :], op.middle), with_half(op.state_bias, op.middle)
    is_given_first = body.products[0].source == "xs"
    both = (given, kept) if is_given_first else (kept, given)
    bias = np.column_stack((with_half(op.bias[: 2 * units], op.gate).reshape(2, units).T, *both))
    yield from _units(body, bias, [(0, 1, 2)], parts=True)
    given_sum, kept_sum = ("total[2]", "total[3]") if is_given_first else ("total[3]", "total[2]")
    yield f"  int32_t update = {looked_up(op.sigmoid, body.code(op.gate, 'total[0]'), 'sigmoid', writer)};"
    yield f"  int32_t reset = {looked_up(op.sigmoid, body.code(op.gate, 'total[1]'), 'sigmoid', writer)};"
    yield f"  int32_t inner = (reset * {body.code(op.middle, kept_sum)} + {HALF}) >> {GATE_FRACTION};"
    total = f"ossicle_clamp({body.code(op.middle, given_sum)} + inner, INT16_MIN, INT16_MAX)"
    yield f"  int32_t hidden = {looked_up(op.tanh, total, 'tanh', writer)};"
    yield f"  hidden += (update * (extra[k] - hidden) + {HALF}) >> {GATE_FRACTION};"
    yield "  extra[k] = (int16_t)hidden;"
    yield f"  state[k] = ({body.width.code}){body.code(op.result, 'hidden', folded=False)};"
    yield "}"


def _lstm(body: _Body) -> Iterator[str]:
    op, writer = body.op, body.writer
    assert isinstance(op, IntLstm)
    bias = with_half(op.bias, op.gate).reshape(4, op.units).T
    yield from _units(body, bias, [(0, 1, 2, 3)] if body.width.rows >= 4 else [(0, 1), (2, 3)], parts=False)
    for index, name in enumerate(("taken", "shown", "forget", "added")):
        table = "tanh" if name == "added" else "sigmoid"
        code = body.code(op.gate, f"total[{index}]")
        yield f"  int32_t {name} = {looked_up(getattr(op, table), code, table, writer)};"
    finer = GATE_FRACTION - op.cell
    yield f"  added = (taken * added + {1 << (finer - 1)}) >> {finer};"
    cell = f"(forget * extra[k] + added + {HALF}) >> {GATE_FRACTION}"
    yield f"  int32_t cell = ossicle_clamp({cell}, INT16_MIN, INT16_MAX);"
    yield "  extra[k] = (int16_t)cell;"
    yield f"  shown *= {looked_up(op.tanh, body.code(op.to_tanh, 'cell', folded=False), 'tanh', writer)};"
    yield f"  state[k] = ({body.width.code}){body.code(op.result, 'shown', folded=False)};"
    yield "}"


_BODIES: Mapping[type[IntSequence], Callable[[_Body], Iterator[str]]] = MappingProxyType(
    {IntRecurrent: _vanilla, IntGru: _gru, IntLstm: _lstm}
)
KERNELS: tuple[Kernel, ...] = (DspRecurrent(),)
