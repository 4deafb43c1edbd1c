"""C for moving lanes between vectors: shuffles that GCC and Clang both know, and the sums of many vectors at once."""

from __future__ import annotations

from collections.abc import Sequence

PICK = """#if defined(__clang__)
#define LNE_PICK(n, a, b, ...) __builtin_shufflevector((v##n)(a), (v##n)(b), __VA_ARGS__)
#else
#define LNE_PICK(n, a, b, ...) __builtin_shuffle((v##n)(a), (v##n)(b), (i##n){__VA_ARGS__})
#endif"""
_HALVES = {
    16: ("__AVX512F__", "_mm512_zextps256_ps512((__m256)x)", "_mm512_castps512_ps256((__m512)x)"),
    8: ("__AVX__", "_mm256_zextps128_ps256((__m128)x)", "_mm256_castps256_ps128((__m256)x)"),
}
_PAIRS = {
    16: (
        "__AVX512DQ__",
        "_mm512_insertf32x8(_mm512_castps256_ps512((__m256)x), (__m256)y, 1)",
        "_mm512_extractf32x8_ps((__m512)x, 1)",
    ),
    8: (
        "__AVX__",
        "_mm256_insertf128_ps(_mm256_castps128_ps256((__m128)x), (__m128)y, 1)",
        "_mm256_extractf128_ps((__m256)x, 1)",
    ),
}


def lanes(channels: int) -> int:
    """The next power of two."""
    return 1 << (channels - 1).bit_length()


def pick(width: int, a: str, b: str, places: Sequence[int]) -> str:
    """A vector of the lanes of two vectors; the second's count from `width`. Needs the function text `PICK`."""
    return f"LNE_PICK({width}, {a}, {b}, {', '.join(map(str, places))})"


def sums(width: int) -> str:
    """The function sums{width}: lane i of its result is the sum of all lanes of argument i.

    Each round adds the low halves of lane groups of two vectors to their high halves: after it the groups are half as
    long and there are half as many vectors.
    """
    arguments = ", ".join(f"v{width} a{index}" for index in range(width))
    lines = [PICK, f"static inline __attribute__((unused)) v{width} sums{width}({arguments}) {{"]
    names, group, round_ = [f"a{index}" for index in range(width)], width, 0
    while len(names) > 1:
        half, made = len(names) // 2, []
        for index in range(half):
            a, b, name = names[index], names[index + half], f"r{round_}_{index}"
            low, high = _groups(width, group, 0), _groups(width, group, group // 2)
            lines.append(f"  v{width} {name} = {pick(width, a, b, low)} + {pick(width, a, b, high)};")
            made.append(name)
        names, group, round_ = made, group // 2, round_ + 1
    return "\n".join((*lines, f"  return {names[0]};", "}"))


def _groups(width: int, group: int, start: int) -> list[int]:
    """For every group of lanes: half of it from the first vector, half from the second."""
    half = range(start, start + group // 2)
    return [vector * width + first + lane for first in range(0, width, group) for vector in (0, 1) for lane in half]


def widened(width: int) -> str:
    """The functions wide{width}, a half vector with zeros behind it, and low{width}, the first half of a vector."""
    half, found = width // 2, _HALVES.get(width)
    if found is None:
        return ""
    have, wide, low = found

    def function(kind: str, name: str, given: str, fast: str) -> str:
        count = 4 * half
        return (
            f"static inline __attribute__((unused)) {kind} {name}{width}({given} x) {{\n"
            f"#if defined({have})\n  return ({kind}){fast};\n"
            f"#else\n  {kind} y = {{0}};\n  memcpy(&y, &x, {count});\n  return y;\n#endif\n}}"
        )

    return f"{function(f'v{width}', 'wide', f'v{half}', wide)}\n{function(f'v{half}', 'low', f'v{width}', low)}"


def paired(width: int) -> str:
    """The functions join{width}, a vector of two half vectors, and high{width}, the second half of a vector."""
    have, join, high = _PAIRS[width]
    start, half = "static inline __attribute__((unused))", width // 2
    return (
        f"{start} v{width} join{width}(v{half} x, v{half} y) {{\n"
        f"#if defined({have})\n  return (v{width}){join};\n"
        f"#else\n  v{width} z;\n  memcpy(&z, &x, {4 * half});\n  memcpy((float *)&z + {half}, &y, {4 * half});\n"
        f"  return z;\n#endif\n}}\n"
        f"{start} v{half} high{width}(v{width} x) {{\n"
        f"#if defined({have})\n  return (v{half}){high};\n"
        f"#else\n  v{half} y;\n  memcpy(&y, (const float *)&x + {half}, {4 * half});\n  return y;\n#endif\n}}"
    )


def partial(width: int) -> str:
    """The function part{width}: the first n lanes of a vector to memory."""
    masked = {16: ("__AVX512F__", "_mm512_mask_storeu_ps(to, (__mmask16)((1u << n) - 1u), (__m512)x)")}
    start = f"static inline __attribute__((unused)) void part{width}(float *to, v{width} x, int n) {{\n"
    plain = "  memcpy(to, &x, 4 * (size_t)n);"
    if width not in masked:
        return f"{start}{plain}\n}}"
    have, fast = masked[width]
    return f"{start}#if defined({have})\n  {fast};\n#else\n{plain}\n#endif\n}}"


def columns(size: int, width: int) -> tuple[tuple[int, int], ...]:
    """Vectors that cover a row: (first column, lanes used). The last one begins earlier if the row is long enough."""
    if size < width:
        return ((0, size),)
    starts = sorted({*range(0, size - width + 1, width), size - width})
    return tuple((start, width) for start in starts)
