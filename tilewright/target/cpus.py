"""Processors by LLVM's name: what their vector units and caches are like.

Sizes are a core's share where a cache is private, and the whole cache where it is shared. Vector
units: width in bits, architectural registers, fused multiply-adds begun in a cycle at that width.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Vectors:
    """A vector unit: bits of a register, number of registers, FMAs (or multiplies) a cycle.

    `splits`: of half the bits, twice as many begin in a cycle.
    """

    bits: int
    registers: int
    fma_ports: int
    fma: bool = True
    splits: bool = False


@dataclass(frozen=True, slots=True)
class Cpu:
    """A processor: architecture, LLVM's features that matter to us, vector unit, caches."""

    arch: str
    features: frozenset[str]
    vectors: Vectors
    l1d: tuple[int, int]
    """Bytes and ways."""
    l2: tuple[int, int]
    l3: tuple[int, int]
    line: int = 64


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_V1 = _words("sse sse2")
_V2 = _V1 | _words("sse3 ssse3 sse4.1 sse4.2 popcnt cx16")
_AVX = _V2 | _words("avx")
_V3 = _AVX | _words("avx2 fma f16c bmi bmi2 lzcnt movbe")
_V4 = _V3 | _words("avx512f avx512bw avx512cd avx512dq avx512vl")
_VNNI = _V4 | _words("avx512vnni")
_ICELAKE = _VNNI | _words("avx512vbmi avx512vbmi2 avx512ifma avx512bitalg avx512vpopcntdq gfni")
_ZEN4 = _ICELAKE | _words("avx512bf16")
_SAPPHIRE = _ZEN4 | _words("avx512fp16 avxvnni amx-tile amx-int8 amx-bf16")
_ALDERLAKE = _V3 | _words("avxvnni gfni")
_A64 = _words("neon fp-armv8")
_A64_2 = _A64 | _words("dotprod fullfp16 lse rdm crc")
_N2 = _A64_2 | _words("sve sve2 bf16 i8mm")
_APPLE = _A64_2 | _words("fp16fml sha3")

_SSE = Vectors(128, 16, 1, fma=False)
_AVX1 = Vectors(256, 16, 1, fma=False)
_AVX2 = Vectors(256, 16, 2)
_AVX512 = Vectors(512, 32, 2)
_AVX512_ONE = Vectors(512, 32, 1, splits=True)
_NEON_ONE = Vectors(128, 32, 1)
_NEON_TWO = Vectors(128, 32, 2)
_NEON_FOUR = Vectors(128, 32, 4)

CPUS: dict[str, Cpu] = {
    "x86-64": Cpu("x86_64", _V1, _SSE, (32 * KIB, 8), (256 * KIB, 8), (2 * MIB, 16)),
    "x86-64-v2": Cpu("x86_64", _V2, _SSE, (32 * KIB, 8), (256 * KIB, 8), (2 * MIB, 16)),
    "x86-64-v3": Cpu("x86_64", _V3, _AVX2, (32 * KIB, 8), (256 * KIB, 8), (8 * MIB, 16)),
    "x86-64-v4": Cpu("x86_64", _V4, _AVX512, (32 * KIB, 8), (1 * MIB, 16), (16 * MIB, 11)),
    "nehalem": Cpu("x86_64", _V2, _SSE, (32 * KIB, 8), (256 * KIB, 8), (8 * MIB, 16)),
    "sandybridge": Cpu("x86_64", _AVX, _AVX1, (32 * KIB, 8), (256 * KIB, 8), (8 * MIB, 16)),
    "ivybridge": Cpu(
        "x86_64", _AVX | {"f16c"}, _AVX1, (32 * KIB, 8), (256 * KIB, 8), (8 * MIB, 16)
    ),
    "haswell": Cpu("x86_64", _V3, _AVX2, (32 * KIB, 8), (256 * KIB, 8), (8 * MIB, 16)),
    "broadwell": Cpu("x86_64", _V3, _AVX2, (32 * KIB, 8), (256 * KIB, 8), (8 * MIB, 16)),
    "skylake": Cpu("x86_64", _V3, _AVX2, (32 * KIB, 8), (256 * KIB, 4), (8 * MIB, 16)),
    "skylake-avx512": Cpu("x86_64", _V4, _AVX512, (32 * KIB, 8), (1 * MIB, 16), (24 * MIB, 11)),
    "cascadelake": Cpu("x86_64", _VNNI, _AVX512, (32 * KIB, 8), (1 * MIB, 16), (32 * MIB, 11)),
    "cooperlake": Cpu(
        "x86_64", _VNNI | {"avx512bf16"}, _AVX512, (32 * KIB, 8), (1 * MIB, 16), (38 * MIB, 11)
    ),
    "icelake-client": Cpu(
        "x86_64", _ICELAKE, _AVX512_ONE, (48 * KIB, 12), (512 * KIB, 8), (8 * MIB, 16)
    ),
    "icelake-server": Cpu(
        "x86_64", _ICELAKE, _AVX512, (48 * KIB, 12), (1280 * KIB, 20), (48 * MIB, 12)
    ),
    "tigerlake": Cpu(
        "x86_64", _ICELAKE, _AVX512_ONE, (48 * KIB, 12), (1280 * KIB, 20), (12 * MIB, 12)
    ),
    "alderlake": Cpu("x86_64", _ALDERLAKE, _AVX2, (48 * KIB, 12), (1280 * KIB, 10), (30 * MIB, 12)),
    "sapphirerapids": Cpu(
        "x86_64", _SAPPHIRE, _AVX512, (48 * KIB, 12), (2 * MIB, 16), (105 * MIB, 15)
    ),
    "emeraldrapids": Cpu(
        "x86_64", _SAPPHIRE, _AVX512, (48 * KIB, 12), (2 * MIB, 16), (260 * MIB, 20)
    ),
    "graniterapids": Cpu(
        "x86_64",
        _SAPPHIRE | {"amx-fp16"},
        _AVX512,
        (48 * KIB, 12),
        (2 * MIB, 16),
        (432 * MIB, 16),
    ),
    "znver1": Cpu("x86_64", _V3, Vectors(256, 16, 1), (32 * KIB, 8), (512 * KIB, 8), (8 * MIB, 16)),
    "znver2": Cpu("x86_64", _V3, _AVX2, (32 * KIB, 8), (512 * KIB, 8), (16 * MIB, 16)),
    "znver3": Cpu("x86_64", _V3, _AVX2, (32 * KIB, 8), (512 * KIB, 8), (32 * MIB, 16)),
    "znver4": Cpu("x86_64", _ZEN4, _AVX512_ONE, (32 * KIB, 8), (1 * MIB, 8), (32 * MIB, 16)),
    "znver5": Cpu(
        "x86_64", _ZEN4 | {"avxvnni"}, _AVX512, (48 * KIB, 12), (1 * MIB, 16), (32 * MIB, 16)
    ),
    "cortex-a53": Cpu("aarch64", _A64, _NEON_ONE, (32 * KIB, 4), (512 * KIB, 16), (0, 0)),
    "cortex-a55": Cpu("aarch64", _A64_2, _NEON_ONE, (32 * KIB, 4), (128 * KIB, 4), (2 * MIB, 16)),
    "cortex-a57": Cpu("aarch64", _A64, _NEON_ONE, (32 * KIB, 2), (2 * MIB, 16), (0, 0)),
    "cortex-a72": Cpu("aarch64", _A64, _NEON_ONE, (32 * KIB, 2), (1 * MIB, 16), (0, 0)),
    "cortex-a76": Cpu("aarch64", _A64_2, _NEON_TWO, (64 * KIB, 4), (512 * KIB, 8), (2 * MIB, 16)),
    "cortex-a78": Cpu("aarch64", _A64_2, _NEON_TWO, (64 * KIB, 4), (256 * KIB, 8), (2 * MIB, 16)),
    "cortex-x1": Cpu("aarch64", _A64_2, _NEON_FOUR, (64 * KIB, 4), (1 * MIB, 8), (8 * MIB, 16)),
    "carmel": Cpu("aarch64", _A64_2, _NEON_TWO, (64 * KIB, 4), (2 * MIB, 16), (4 * MIB, 16)),
    "neoverse-n1": Cpu("aarch64", _A64_2, _NEON_TWO, (64 * KIB, 4), (1 * MIB, 8), (32 * MIB, 16)),
    "neoverse-n2": Cpu("aarch64", _N2, _NEON_TWO, (64 * KIB, 4), (1 * MIB, 8), (32 * MIB, 16)),
    "neoverse-v1": Cpu(
        "aarch64",
        _A64_2 | {"sve", "bf16", "i8mm"},
        _NEON_FOUR,
        (64 * KIB, 4),
        (1 * MIB, 8),
        (32 * MIB, 16),
    ),
    "neoverse-v2": Cpu("aarch64", _N2, _NEON_FOUR, (64 * KIB, 4), (2 * MIB, 8), (114 * MIB, 12)),
    "apple-m1": Cpu("aarch64", _APPLE, _NEON_FOUR, (128 * KIB, 8), (12 * MIB, 12), (0, 0), 128),
    "apple-m2": Cpu(
        "aarch64",
        _APPLE | {"bf16", "i8mm"},
        _NEON_FOUR,
        (128 * KIB, 8),
        (16 * MIB, 16),
        (0, 0),
        128,
    ),
    "generic-aarch64": Cpu("aarch64", _A64, _NEON_TWO, (32 * KIB, 4), (512 * KIB, 8), (0, 0)),
    "generic-arm": Cpu(
        "arm", _words("neon"), Vectors(128, 16, 1), (32 * KIB, 4), (512 * KIB, 8), (0, 0)
    ),
    "generic-rv64": Cpu(
        "riscv64", _words("m a f d c"), Vectors(64, 32, 1), (32 * KIB, 8), (256 * KIB, 8), (0, 0)
    ),
    "generic-wasm32": Cpu(
        "wasm32", frozenset(), Vectors(64, 16, 1, fma=False), (32 * KIB, 8), (256 * KIB, 8), (0, 0)
    ),
    "generic-hexagon": Cpu(
        "hexagon", frozenset(), Vectors(1024, 32, 1), (32 * KIB, 8), (1 * MIB, 16), (0, 0)
    ),
}

ALIASES = {
    "core-avx-i": "ivybridge",
    "core-avx2": "haswell",
    "corei7": "nehalem",
    "corei7-avx": "sandybridge",
    "skx": "skylake-avx512",
    "rocketlake": "icelake-client",
    "raptorlake": "alderlake",
    "meteorlake": "alderlake",
    "arrowlake": "alderlake",
    "graniterapids-d": "graniterapids",
    "apple-a14": "apple-m1",
    "apple-a15": "apple-m2",
    "apple-m3": "apple-m2",
    "apple-m4": "apple-m2",
    "apple-latest": "apple-m2",
    "neoverse-512tvb": "neoverse-v1",
    "cortex-a710": "neoverse-n2",
    "cortex-a77": "cortex-a76",
    "grace": "neoverse-v2",
}

GENERIC = {
    "x86_64": "x86-64",
    "aarch64": "generic-aarch64",
    "arm": "generic-arm",
    "riscv64": "generic-rv64",
    "wasm32": "generic-wasm32",
    "hexagon": "generic-hexagon",
}

ARCHITECTURES = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "i386": "x86_64",
    "i686": "x86_64",
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "arm": "arm",
    "armv7": "arm",
    "armv7a": "arm",
    "armv7l": "arm",
    "thumbv7": "arm",
    "riscv64": "riscv64",
    "riscv64gc": "riscv64",
    "wasm32": "wasm32",
    "hexagon": "hexagon",
}
"""First part of a triple -> architecture."""

WIDENING = (
    ("x86_64", "avx512f", _AVX512_ONE),
    ("x86_64", "avx2", Vectors(256, 16, 2)),
    ("x86_64", "avx", Vectors(256, 16, 1, fma=False)),
    ("x86_64", "sse2", _SSE),
    ("aarch64", "neon", _NEON_TWO),
    ("arm", "neon", Vectors(128, 16, 1)),
    ("riscv64", "v", Vectors(128, 32, 1)),
    ("wasm32", "simd128", Vectors(128, 16, 1, fma=False)),
)
"""Architecture, feature, and the vector unit that it stands for; the widest come first."""
