"""Maximum of windows, four channels per instruction."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.dsp import DIALECT, refusal
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntPool


@dataclass(frozen=True)
class DspMaxPool(Kernel):
    """Channels in fours. Windows inside the map are unrolled; those at the border are cut to it."""

    ops = (IntPool,)

    @property
    def name(self) -> str:
        return "dsp-max"

    @property
    def rank(self) -> int:
        return 10

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, IntPool)
        if reason := refusal(task):
            return reason
        if op.kind != "max":
            return "it is a mean"
        return "its channels do not come in fours" if task.output.c % 4 else ""

    def emit(self, task: Task, writer: Writer) -> None:
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntPool)
        writer.function(DIALECT)
        (rows, columns), (down, right) = op.kernel, op.stride
        places = [(p * x.w + q) * x.c for p in range(rows) for q in range(columns)]
        whole = " ".join(f"m = MAX4(m, LOAD4(p + {place}));" for place in places[1:])
        row = x.w * x.c
        writer.line(
            f"for (int y = 0; y < {out.h}; y++) {{",
            f"  int y0 = y * {down} - {op.pads.top}, y1 = y0 + {rows};",
            f"  y0 = y0 < 0 ? 0 : y0; y1 = y1 > {x.h} ? {x.h} : y1;",
            f"  for (int x = 0; x < {out.w}; x++) {{",
            f"    int left = x * {right} - {op.pads.left}, end = left + {columns};",
            f"    left = left < 0 ? 0 : left; end = end > {x.w} ? {x.w} : end;",
            f"    const int8_t *p = x0 + y0 * {row} + left * {x.c};",
            f"    int8_t *q = o + (y * {out.w} + x) * {out.c};",
            f"    if (y1 - y0 == {rows} && end - left == {columns})",
            f"      for (int c = 0; c < {x.c}; c += 4, p += 4, q += 4) {{",
            f"        uint32_t m = LOAD4(p); {whole} STORE4(q, m);",
            "      }",
            "    else",
            f"      for (int c = 0; c < {x.c}; c += 4, p += 4, q += 4) {{",
            "        uint32_t m = 0x80808080u;",
            f"        const int8_t *r = p; for (int i = y0; i < y1; i++, r += {row}) {{",
            f"          const int8_t *t = r; for (int j = left; j < end; j++, t += {x.c}) m = MAX4(m, LOAD4(t));",
            "        }",
            "        STORE4(q, m);",
            "      }",
            "  }",
            "}",
        )


KERNELS: tuple[Kernel, ...] = (DspMaxPool(),)
