"""The C that generated code is written in: fixed-width vector types of GCC and Clang, activations, loads and stores.

For every width there are `v{n}` (a vector in a register) and `u{n}` (the same at any address). Width 1 is plain C.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nodes.lne.ir import Activation, Conv
from nodes.lne.target import Target

WIDTHS = (4, 8, 16)
_X86 = {4: ("__m128", "_mm", "__SSE__"), 8: ("__m256", "_mm256", "__AVX__"), 16: ("__m512", "_mm512", "__AVX512F__")}
_SCALAR: Mapping[Activation, str] = MappingProxyType(
    {
        Activation.RELU: "x > 0.0f ? x : 0.0f",
        Activation.RELU6: "x > 6.0f ? 6.0f : x > 0.0f ? x : 0.0f",
        Activation.SIGMOID: "1.0f / (1.0f + expf(-x))",
        Activation.TANH: "tanhf(x)",
        Activation.HARD_SIGMOID: "x >= 3.0f ? 1.0f : x <= -3.0f ? 0.0f : x * (1.0f / 6.0f) + 0.5f",
        Activation.HARD_SWISH: "x >= 3.0f ? x : x <= -3.0f ? 0.0f : x * (x * (1.0f / 6.0f) + 0.5f)",
        Activation.SWISH: "x / (1.0f + expf(-x))",
    }
)
"""Of one value; the slopes of the hard ones are those of torch and of ONNX's HardSwish."""


def header(target: Target) -> str:
    """Includes, vector types up to the target's width, and every activation for every width."""
    parts = ["#include <math.h>", "#include <stddef.h>", "#include <stdint.h>", "#include <string.h>", _INCLUDES]
    parts += [_SCALAR_FUNCTION.format(name=name, expression=text) for name, text in _SCALAR.items()]
    for width in (width for width in WIDTHS if width <= target.vector):
        parts += [_types(width), _maximum(width), *(_vector_activation(name, width) for name in _SCALAR)]
    return "\n".join(parts) + "\n"


_INCLUDES = """#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif"""
_SCALAR_FUNCTION = "static inline __attribute__((unused)) float {name}1(float x) {{ return {expression}; }}"


def _types(width: int) -> str:
    size = 4 * width
    return (
        f"typedef float v{width} __attribute__((vector_size({size})));\n"
        f"typedef int32_t i{width} __attribute__((vector_size({size})));\n"
        f"typedef float u{width} __attribute__((vector_size({size}), aligned(4), may_alias));"
    )


def _maximum(width: int) -> str:
    """The larger of two vectors: an instruction where there is one, a mask elsewhere."""
    kind, prefix, have = _X86[width]
    neon = "\n#elif defined(__ARM_NEON)\n  return (v4)vmaxq_f32((float32x4_t)a, (float32x4_t)b);" if width == 4 else ""
    return (
        f"static inline __attribute__((unused)) v{width} max{width}(v{width} a, v{width} b) {{\n"
        f"#if defined({have})\n  return (v{width}){prefix}_max_ps(({kind})a, ({kind})b);{neon}\n"
        f"#else\n  i{width} larger = a > b;\n"
        f"  return (v{width})(((i{width})a & larger) | ((i{width})b & ~larger));\n#endif\n}}"
    )


def _vector_activation(name: Activation, width: int) -> str:
    start = f"static inline __attribute__((unused)) v{width} {name}{width}(v{width} x) {{ "
    if name is Activation.RELU:
        return f"{start}return max{width}(x, (v{width}){{0}}); }}"
    return f"{start}v{width} y; for (int i = 0; i < {width}; i++) y[i] = {name}1(x[i]); return y; }}"


def load(width: int, address: str) -> str:
    """`width` floats at any address."""
    return f"(*(const float *)({address}))" if width == 1 else f"(*(const u{width} *)({address}))"


def store(width: int, address: str, value: str) -> str:
    """A statement that writes `width` floats to any address."""
    kind = "float" if width == 1 else f"u{width}"
    return f"*({kind} *)({address}) = {value};"


def vector_type(width: int) -> str:
    """C type of a vector in a register."""
    return "float" if width == 1 else f"v{width}"


def zero(width: int) -> str:
    """A vector of zeros."""
    return "0.0f" if width == 1 else f"(v{width}){{0}}"


def activated(activation: Activation, width: int, value: str) -> str:
    """An activation applied to an expression."""
    return value if activation is Activation.NONE else f"{activation}{width}({value})"


def finished(op: Conv, width: int, value: str, residual: str, scale: str = "", shift: str = "") -> str:
    """What is stored for a convolution's sum (bias included): residual, activation, scale and shift in their order.

    `residual`, `scale` and `shift` are expressions of the same width, used if the operation has them.
    """
    if op.has_residual and not op.residual_last:
        value = f"({value} + {residual})"
    value = activated(op.activation, width, value)
    if op.has_residual and op.residual_last:
        value = f"({value} + {residual})"
    return value if op.scale is None else f"({value} * {scale} + {shift})"
