"""A package's files as text: C sources, header, build files, example. The same package gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from nodes.lne.frontend import features_header, features_source
from nodes.lne.frontend.template import c_comment, c_string, filled
from nodes.lne.package.contents import Package
from nodes.lne.program import Program
from nodes.lne.target import Target

_HERE = "nodes.lne.package"
_MACHINES: Mapping[str, str] = {"": "1", "x86_64": "defined(__x86_64__)", "aarch64": "defined(__aarch64__)"}
"""C's words for a target's machine."""
BYTES_PER_LINE = 32
LARGEST_TEXT_BYTES = 1 << 20
"""Of constants in a C file. As text they take four times their size, and a compiler half a second per megabyte."""
_OCTAL = np.array([b"\\%03o" % byte for byte in range(256)], "S4")


def sources(package: Package) -> dict[str, str]:
    """Every text file of a package but the description, by name."""
    name = package.name
    made = {f"{name}.h": _header(package), f"{name}.c": _api(package), f"{name}_level.h": _levels(package)}
    for level in package.levels:
        made |= {f"{level.name}.c": _level(package, level), f"{level.name}_weights.c": _weights(level)}
    if package.front_end is not None:
        made[f"{name}_features.h"] = features_source(name, package.front_end)
    headers = tuple(file for file in made if file.endswith(".h"))
    units = tuple(file for file in made if file.endswith(".c"))
    made["example.c"] = _example(package)
    return {**made, "Makefile": _makefile(package, units, headers), "CMakeLists.txt": _cmake(package, units)}


def blobs(package: Package) -> dict[str, bytes]:
    """Files of bytes that the sources take in, by name: constants that are too large for text."""
    large = (level for level in package.levels if len(level.weights) > LARGEST_TEXT_BYTES)
    return {f"{level.name}_weights.bin": _constants(level) for level in large}


def _header(package: Package) -> str:
    return filled(
        _HERE,
        "api.h",
        **_names(package),
        about=c_comment(f"a network from {_shape(package.input_shape)} to {_shape(package.output_shape)} values"),
        input=_shape(package.input_shape),
        output=_shape(package.output_shape),
        input_size=prod(package.input_shape),
        output_size=prod(package.output_shape),
        workspace_bytes=package.workspace_bytes,
        levels=", ".join(level.plan.target.name for level in package.levels),
        front_end="" if package.front_end is None else features_header(package.name, package.front_end),
    )


def _example(package: Package) -> str:
    """A program that hears a WAV file, or for a network without a front end one that reads raw floats."""
    if package.front_end is None:
        return filled(_HERE, "example_raw.c", **_names(package))
    return filled(_HERE, "example_wav.c", **_names(package), rate_hz=package.front_end.rate_hz)


def _api(package: Package) -> str:
    targets = [level.plan.target for level in package.levels]
    table = (f"  {{&{level.name}_code, {_check_name(level.plan.target)}}}," for level in package.levels)
    return filled(
        _HERE,
        "api.c",
        **_names(package),
        checks=_checks(targets),
        table="\n".join(table),
        labels=", ".join(map(c_string, package.labels)) or "0",
        front_end="".join(_hearing(package)),
    )


@dataclass(frozen=True)
class _Heard:
    """A function of the front end: its name in the header, in the levels, and its parameters."""

    public: str
    static: str
    parameters: tuple[tuple[str, str], ...]


_MEMORY, _SAMPLES, _FEATURES = ("void *", "memory"), ("const float *", "samples"), ("float *", "features")
_HEARD = (
    _Heard("features", "clip_features", (_MEMORY, _SAMPLES, _FEATURES)),
    _Heard("stream_start", "stream_start", (_MEMORY,)),
    _Heard("stream_push", "stream_push", (_MEMORY, _SAMPLES)),
    _Heard("stream_features", "stream_features", (_MEMORY, _FEATURES)),
)


def _hearing(package: Package) -> Iterator[str]:
    """The front end's functions, which call those of the level in use."""
    for heard in _HEARD if package.front_end is not None else ():
        parameters = ", ".join(f"{kind}{name}" for kind, name in heard.parameters)
        names = ", ".join(name for _, name in heard.parameters)
        yield (
            f"\nint {package.name}_{heard.public}({parameters}) {{\n"
            f"  const {package.name}_code *code = chosen();\n"
            f"  return code ? code->{heard.static}({names}) : {package.name.upper()}_ERROR_MACHINE;\n}}\n"
        )


def _checks(targets: Sequence[Target]) -> str:
    """Functions in C that ask the processor."""
    asks = _ASKS if any(target.needs and target.machine == "x86_64" for target in targets) else ""
    return "\n".join([asks, *dict.fromkeys(map(_check, targets))])


def _check_name(target: Target) -> str:
    return f"runs_{_identifier(target)}" if target.needs else "runs_anywhere"


def _check(target: Target) -> str:
    if not target.needs:
        return "static int runs_anywhere(void) { return 1; }\n"
    if target.machine == "aarch64":
        return _ARM_CHECK.format(
            name=_check_name(target), bits=" | ".join(_HWCAP[need] for need in sorted(target.needs))
        )
    wide = any(need.startswith("avx512") for need in target.needs)
    asked = " && ".join([f"keeps({0xE6 if wide else 0x06:#04x})", *map(_asked, sorted(target.needs))])
    return (
        f"static int {_check_name(target)}(void) {{\n#if defined(__x86_64__) && defined(__GNUC__)\n"
        f"  return {asked};\n#else\n  return 0;\n#endif\n}}\n"
    )


_HWCAP: Mapping[str, str] = {"asimddp": "1ul << 20"}
"""Bits of AT_HWCAP on aarch64 (Linux's asm/hwcap.h)."""
_ARM_CHECK = """#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

static int {name}(void) {{
#if defined(__aarch64__) && defined(__linux__)
  const unsigned long wanted = {bits};
  return (getauxval(AT_HWCAP) & wanted) == wanted;
#else
  return 0;
#endif
}}
"""
_MACROS: Mapping[str, str] = {"asimddp": "__ARM_FEATURE_DOTPROD"}
"""What compilers define for an instruction set, where it is not its name."""


def _asked(need: str) -> str:
    if need not in _CPUID:
        return f'__builtin_cpu_supports("{need.replace("_", "")}")'
    leaf, register, bit = _CPUID[need]
    return f"has({leaf}, {register}, {bit})"


_CPUID: Mapping[str, tuple[int, str, int]] = {
    "sse4_2": (1, "ECX", 20),
    "fma": (1, "ECX", 12),
    "f16c": (1, "ECX", 29),
    "avx2": (7, "EBX", 5),
    "avx512f": (7, "EBX", 16),
    "avx512dq": (7, "EBX", 17),
    "avx512bw": (7, "EBX", 30),
    "avx512vl": (7, "EBX", 31),
    "avx512_vnni": (7, "ECX", 11),
}
"""Leaf, register and bit of the instruction sets (Intel's and AMD's manuals); not all compilers' own test of them works
in a library."""
_ASKS = """#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>

enum { EAX, EBX, ECX, EDX };

static int has(unsigned leaf, int place, int bit) {
  unsigned found[4] = {0, 0, 0, 0};
  return __get_cpuid_count(leaf, 0, &found[EAX], &found[EBX], &found[ECX], &found[EDX]) && found[place] >> bit & 1;
}

/* Whether the system keeps the registers that the bits of `mask` stand for when it changes tasks. */
static int keeps(unsigned mask) {
  unsigned low, high;
  if (!has(1, ECX, 27)) return 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & mask) == mask;
}
#endif
"""


def _levels(package: Package) -> str:
    declared = (f"extern const {package.name}_code {level.name}_code;" for level in package.levels)
    heard = _HEARD if package.front_end is not None else ()
    types = ((one.static, ", ".join(f"{kind}{name}" for kind, name in one.parameters)) for one in heard)
    pointers = "".join(f"  int (*{name})({parameters});\n" for name, parameters in types)
    return filled(_HERE, "level.h", **_names(package), front_end=pointers, declarations="\n".join(declared))


def _level(package: Package, level: Program) -> str:
    target = level.plan.target
    heard = [one.static for one in _HEARD] if package.front_end is not None else []
    return filled(
        _HERE,
        "level.c",
        front_end=f'#include "{package.name}_features.h"\n\n' if heard else "",
        functions="".join(f", {name}" for name in heard),
        nothing=", 0" * len(heard),
        **_names(package),
        target=target.name,
        prefix=level.name,
        workspace_bytes=level.plan.workspace_bytes,
        weights_bytes=len(level.weights),
        pragma=_pragma(target),
        condition=_condition(target),
        source=level.source,
    )


def _needed(target: Target) -> list[str]:
    names = (_MACROS.get(need, f"__{need.replace('_', '').upper()}__") for need in sorted(target.needs))
    return [f"defined({name})" for name in names]


def _condition(target: Target) -> str:
    """When the preprocessor may let a level's code through."""
    return " && ".join([_MACHINES[target.machine], *_needed(target)])


def _pragma(target: Target) -> str:
    """GCC takes a level's instructions from the source itself, so that no flag is needed; others need the flags."""
    if not target.needs:
        return ""
    options = ", ".join(f'"{flag.removeprefix("-m")}"' for flag in target.flags)
    wanting = f"{_MACHINES[target.machine]} && !({' && '.join(_needed(target))})"
    return f"\n#if {wanting} && defined(__GNUC__) && !defined(__clang__)\n#pragma GCC target({options})\n#endif\n"


def _weights(level: Program) -> str:
    """All constants: as one string of bytes, what compilers read fastest; large ones from a file beside it."""
    data = _constants(level)
    large = len(data) > LARGEST_TEXT_BYTES
    return filled(
        _HERE,
        "weights_file.c" if large else "weights.c",
        name=level.name,
        size=len(data),
        machine=_MACHINES[level.plan.target.machine],
        data="" if large else _literal(data),
    )


def _constants(level: Program) -> bytes:
    return level.weights or bytes(64)


def _literal(data: bytes) -> str:
    text = _OCTAL[np.frombuffer(data, np.uint8)].tobytes().decode()
    step = 4 * BYTES_PER_LINE
    return "\n".join(f'"{text[start : start + step]}"' for start in range(0, len(text), step))


def _makefile(package: Package, units: tuple[str, ...], headers: tuple[str, ...]) -> str:
    return filled(
        _HERE,
        "Makefile",
        **_names(package),
        objects=" ".join(unit.removesuffix(".c") + ".o" for unit in units),
        headers=" ".join(headers),
        flags="".join(_make_flags(package)),
    )


def _make_flags(package: Package) -> Iterator[str]:
    for level in package.levels:
        flags = " ".join(level.plan.target.flags)
        if flags:
            yield f"ifeq ($(call knows,{flags}),yes)\n{level.name}.o: LEVEL_FLAGS = {flags}\nendif\n"


def _cmake(package: Package, units: tuple[str, ...]) -> str:
    return filled(
        _HERE, "CMakeLists.txt", **_names(package), sources=" ".join(units), flags="".join(_cmake_flags(package))
    )


def _cmake_flags(package: Package) -> Iterator[str]:
    for level in package.levels:
        flags = level.plan.target.flags
        if flags:
            known = f"{level.name.upper()}_FLAGS_ARE_KNOWN"
            options = f'PROPERTIES COMPILE_OPTIONS "{";".join(flags)}"'
            yield f'check_c_compiler_flag("{" ".join(flags)}" {known})\n'
            yield f"if({known})\n  set_source_files_properties({level.name}.c {options})\nendif()\n"


def _names(package: Package) -> dict[str, str]:
    return {"name": package.name, "NAME": package.name.upper()}


def _identifier(target: Target) -> str:
    return target.name.replace("-", "_")


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
