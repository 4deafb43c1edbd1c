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
_EXPRESSIONS: Mapping[Activation, str] = MappingProxyType(
    {
        Activation.RELU: "max{w}(x, {zero})",
        Activation.RELU6: "min{w}(max{w}(x, {zero}), {zero} + 6.0f)",
        Activation.SIGMOID: "1.0f / (exp{w}(-x) + 1.0f)",
        Activation.HARD_SIGMOID: "min{w}(max{w}(x * (1.0f / 6.0f) + 0.5f, {zero}), {zero} + 1.0f)",
        Activation.HARD_SWISH: "x * hard_sigmoid{w}(x)",
        Activation.SWISH: "x / (exp{w}(-x) + 1.0f)",
    }
)
"""For vectors of any width, and for one value; the hard ones have the slope 1/6 of torch and of ONNX's HardSwish."""


def header(target: Target) -> str:
    """Includes, vector types up to the target's width, and every activation for every width."""
    parts = ["#include <math.h>", "#include <stddef.h>", "#include <stdint.h>", "#include <string.h>"]
    parts += [_OTHER_COMPILERS, *([_INTRINSICS] if target.vector > 1 else [])]
    for width in (1, *(width for width in WIDTHS if width <= target.vector)):
        parts += _scalar_basis() if width == 1 else _vector_basis(width)
        kind, start = vector_type(width), zero(width)
        parts += [text.format(w=width, kind=kind, zero=start) for text in (_EXP, _TANH)]
        parts += [
            _ACTIVATION.format(name=name, w=width, kind=kind, expression=text.format(w=width, zero=start))
            for name, text in _EXPRESSIONS.items()
        ]
    return "\n".join(parts) + "\n"


_INTRINSICS = """#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif"""
_OTHER_COMPILERS = """#if !defined(__GNUC__)
#define __attribute__(x)
#endif"""
_INLINE = "static inline __attribute__((unused))"
_LOG = (
    _INLINE
    + """ float log1(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  const uint32_t power = (bits - 0x3f3504f3u) >> 23;
  const float n = (float)power;
  bits -= power << 23;
  memcpy(&x, &bits, 4);
  const float z = x - 1.0f;
  float p = (((7.0376836292e-2f * z - 1.1514610310e-1f) * z + 1.1676998740e-1f) * z - 1.2420140846e-1f) * z;
  p = ((((p + 1.4249322787e-1f) * z - 1.6668057665e-1f) * z + 2.0000714765e-1f) * z - 2.4999993993e-1f) * z;
  return z + (((p + 3.3333331174e-1f) * z - 0.5f) * z * z - n * 2.12194440e-4f) + n * 0.693359375f;
}"""
)
"""Logarithm of a number of at least one, for sums of exponentials: x = 2^n (1 + z), sqrt(1/2) <= 1 + z < sqrt(2)."""
_ACTIVATION = _INLINE + " {kind} {name}{w}({kind} x) {{ return {expression}; }}"

_EXP = (
    _INLINE
    + """ {kind} exp{w}({kind} x) {{
  x = max{w}({zero} - 87.0f, min{w}({zero} + 88.0f, x));
  {kind} shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
  {kind} r = x - n * 0.693359375f + n * 2.12194440e-4f;
  {kind} p = ((((r * 1.9875691500e-4f + 1.3981999507e-3f) * r + 8.3334519073e-3f) * r + 4.1665795894e-2f) * r
    + 1.6666665459e-1f) * r + 5.0000001201e-1f;
  return (p * r * r + r + 1.0f) * power{w}(shifted);
}}"""
)
"""e^x within two units of the last place from e^-87 to e^88, beyond which it stays (polynomial of Moshier's Cephes).

1.5 x 2^23 added to x log2(e) leaves its nearest integer in the low bits; `power` makes two to this power of them.
"""

_TANH = (
    _INLINE
    + """ {kind} tanh{w}({kind} x) {{
  x = max{w}({zero} - 9.0f, min{w}({zero} + 9.0f, x));
  {kind} u = x * x;
  {kind} p = (((1.33566381e-8f * u + 2.06106309e-5f) * u + 3.49568706e-3f) * u + 1.33811104e-1f) * u + 1.0f;
  {kind} q = (((7.77740416e-7f * u + 3.28579331e-4f) * u + 2.58773632e-2f) * u + 4.67144260e-1f) * u + 1.0f;
  return x * p / q;
}}"""
)
"""A rational function fitted to the least relative error (2e-8, before rounding) for |x| <= 9."""


def _scalar_basis() -> list[str]:
    """What the formulas above need for one value; a NaN in `b` stays."""
    return [
        f"{_INLINE} float max1(float a, float b) {{ return a > b ? a : b; }}",
        f"{_INLINE} float min1(float a, float b) {{ return a < b ? a : b; }}",
        f"{_INLINE} float power1(float x) {{\n"
        "  uint32_t bits;\n  memcpy(&bits, &x, 4);\n"
        "  bits = (bits << 23) + 0x3f800000u;\n  memcpy(&x, &bits, 4);\n  return x;\n}",
        _LOG,
    ]


def _vector_basis(width: int) -> list[str]:
    """Types and the same functions for a vector."""
    size, kind = 4 * width, f"v{width}"
    types = (
        f"typedef float {kind} __attribute__((vector_size({size})));\n"
        f"typedef int32_t i{width} __attribute__((vector_size({size})));\n"
        f"typedef uint32_t bits{width} __attribute__((vector_size({size})));\n"
        f"typedef float u{width} __attribute__((vector_size({size}), aligned(4), may_alias));"
    )
    power = (
        f"{_INLINE} {kind} power{width}({kind} x) {{ return ({kind})(((bits{width})x << 23) + 0x3f800000u); }}\n"
        f"{_INLINE} {kind} select{width}(i{width} mask, {kind} a, {kind} b) {{\n"
        f"  return ({kind})(((i{width})a & mask) | ((i{width})b & ~mask));\n}}"
    )
    return [types, power, _extreme(width, "max", ">"), _extreme(width, "min", "<")]


def _extreme(width: int, name: str, sign: str) -> str:
    """The larger or smaller of two vectors: an instruction where there is one, a mask elsewhere."""
    kind, prefix, have = _X86[width]
    neon = (
        f"\n#elif defined(__ARM_NEON)\n  return (v4)v{name}q_f32((float32x4_t)a, (float32x4_t)b);" if width == 4 else ""
    )
    return (
        f"{_INLINE} v{width} {name}{width}(v{width} a, v{width} b) {{\n"
        f"#if defined({have})\n  return (v{width}){prefix}_{name}_ps(({kind})a, ({kind})b);{neon}\n"
        f"#else\n  return select{width}((i{width})(a {sign} b), a, b);\n#endif\n}}"
    )


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
