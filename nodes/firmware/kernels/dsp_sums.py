"""From packed weights to stored codes: the loop over channels that the kernels of convolutions have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Task, c_type
from nodes.firmware.kernels import requantise
from nodes.firmware.kernels.curve import stored
from nodes.firmware.kernels.dsp import code_of, is_quick, scale_words
from nodes.firmware.kernels.dsp_block import Block, split
from nodes.firmware.kernels.plain import is_wide, sum_bound
from nodes.firmware.kernels.requantise import CLAMP, CLAMP64, with_half
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntConv, Scale, Shift

NARROW, WIDE = (4, 2, 1), (2, 1)
"""Channels computed together, with sums of 32 and 64 bits."""
SCALE_WORDS = 3

Products = Callable[[Block], Iterator[str]]
"""C that computes `sum` of a block; it moves `w` from the biases behind the weights."""


@dataclass(frozen=True)
class Sums:
    """Sums of a convolution: their size, how their weights are packed, how they become codes."""

    task: Task

    @property
    def op(self) -> IntConv:
        """The convolution."""
        assert isinstance(self.task.op, IntConv)
        return self.task.op

    @property
    def is_wide(self) -> bool:
        """Whether they take 64 bits."""
        return is_wide(sum_bound(self.op, self.task))

    @property
    def parts(self) -> tuple[int, ...]:
        """Channels computed together, in order of preference."""
        return WIDE if self.is_wide else NARROW

    @property
    def streams_scale(self) -> bool:
        """Whether multipliers lie behind the weights."""
        return isinstance(self.op.requantise, Scale) and is_quick(self.op.requantise) and not self.is_wide

    def packed(self, weight: NDArray[np.uint32], first: int = 0, end: int | None = None) -> NDArray[np.uint32]:
        """Weights (channels, words) from channel `first` to `end` as records of some channels each.

        A record: biases, for every word the weights of its channels, multipliers if there are.
        """
        count = (len(weight) if end is None else end) - first
        records = [self._record(weight, first + at, part) for a, b, part in split(count, self.parts)
                   for at in range(a, b, part)]  # fmt: skip
        return np.concatenate(records)

    def _record(self, weight: NDArray[np.uint32], first: int, part: int) -> NDArray[np.uint32]:
        channels = slice(first, first + part)
        pieces = [self._biases()[channels].ravel(), weight[channels].T.ravel()]
        if self.streams_scale:
            assert isinstance(self.op.requantise, Scale)
            pieces.append(scale_words(self.op.requantise)[channels].ravel())
        return np.concatenate(pieces)

    def _biases(self) -> NDArray[np.uint32]:
        bias = with_half(self.op.bias, self.op.requantise).astype("<i8")
        both = np.ascontiguousarray(bias).view("<u4").reshape(-1, 2)
        return both if self.is_wide else both[:, :1]

    def loop(
        self,
        block: Block,
        products: Products,
        place: str,
        writer: Writer,
        first: int = 0,
        end: int | None = None,
    ) -> Iterator[str]:
        """C over all channels. `w` is at the records, `q` where the first channel of the first pixel goes.

        Args:
            block: as many pixels as it has; its channels are those of a part.
            place: of the first sum among the codes of the residual.
        """  # fmt: skip
        count = self.task.output.c if end is None else end
        for at, stop, part in split(count - first, self.parts):
            one = replace(block, channels=part)
            if stop - at > part:
                yield f"for (int k = {first + at}; k < {first + stop}; k += {part}, q += {part}) {{"
            else:
                yield f"{{ const int k = {first + at};"
            yield f"  {one.sum_type} sum[{one.pixels * part}];"
            yield from (f"  {line}" for line in products(one))
            yield from (f"  {line}" for line in self._codes(one, place, writer))
            yield "}"
            if stop - at == part:
                yield f"q += {part};"

    def _codes(self, block: Block, place: str, writer: Writer) -> Iterator[str]:
        kind, c = c_type(self.task.forms[-1]), self.task.output.c
        for j in range(block.channels):
            yield from self.multiplier(j)
            for p in range(block.pixels):
                total = f"sum[{p * block.channels + j}]"
                if len(self.op.inputs) > 1:
                    more = f"({block.sum_type})x1[{place} + {p * c + j}] * {self._multiple(j, writer)}"
                    total = f"({total} + {more})"
                yield f"q[{p * c + j}] = ({kind}){self.code(total, j, f'k + {j}', writer)};"
        if self.streams_scale:
            yield f"w += {SCALE_WORDS * block.channels};"
        yield "(void)k;"

    def _multiple(self, index: int, writer: Writer) -> str:
        """C of what a code of the residual counts in the sum."""
        multiples = self.op.residual_multiplier
        if multiples is None:
            return f"(1 << {self.op.residual_shift})"
        return f"{writer.constant('residual', stored(multiples))}[k + {index}]"

    def multiplier(self, index: int) -> Iterator[str]:
        """C that reads the multiplier of a channel, of those at `w`, into m, h and r."""
        if self.streams_scale:
            words = (f"{name}{index} = (int32_t)w[{SCALE_WORDS * index + i}]" for i, name in enumerate("mhr"))
            yield f"const int32_t {', '.join(words)};"

    def code(self, total: str, index: int, channel: str, writer: Writer) -> str:
        """C of the code for a sum; `index` says which of the multipliers read belong to the channel."""
        rule = self.op.requantise
        if isinstance(rule, Scale) and self.streams_scale:
            moved = f"(SMMLA({total}, m{index}, h{index}) >> r{index})"
            return self._limited(f"({moved} + {rule.zero})" if rule.zero else moved, writer)
        if isinstance(rule, Shift) and not self.is_wide:
            return (
                code_of(rule, total, writer) if self.task.is_byte else self._limited(f"{total} >> {rule.right}", writer)
            )
        if isinstance(rule, Shift) and sum_bound(self.op, self.task) >> rule.right < 1 << 31:
            return self._limited(f"(int32_t)({total} >> {rule.right})", writer)
        if isinstance(rule, Shift):
            writer.function(CLAMP64)
            return f"ossicle_clamp64({total} >> {rule.right}, {rule.low}, {rule.high})"
        return requantise.code_of(rule, total, channel, writer, wide=True)

    def _limited(self, value: str, writer: Writer) -> str:
        rule = self.op.requantise
        name = _SATURATE.get((rule.low, rule.high))
        if name is not None:
            return name.format(value)
        writer.function(CLAMP)
        return f"ossicle_clamp({value}, {rule.low}, {rule.high})"


_SATURATE = {
    (0, 127): "USAT7_ALONE({})",
    (-128, 127): "SSAT8_ALONE({})",
    (0, 32767): "USAT15({})",
    (-32768, 32767): "SSAT16({})",
}
