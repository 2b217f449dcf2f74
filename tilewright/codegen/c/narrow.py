"""float16, bfloat16, float8 and smaller ones in C: rounding a `float`, and their bits.

Integer arithmetic and exact scaling: the same on every machine, denormals kept, rounding to nearest
even.
"""

from __future__ import annotations

import math
from string import Template

from ..llvm.narrow import NarrowFormat, format_of
from .types import float_literal, memory_type

TEMPLATES = {
    "round": """\
static inline float $name(float x) {
  float size = fabsf(x), out = size;
  uint32_t u;
  if (size < $smallest) {
    out = (size + $magic) - $magic;
  } else if (size == size) {
    memcpy(&u, &size, 4);
    u += $half + ((u >> $dropped) & 1);
    u &= ~(uint32_t)$below;
    memcpy(&out, &u, 4);
    if (out > $largest) out = $above;
  }
  $undefined
  out = copysignf(out, x);
  return $zero;
}
""",
    "from": """\
static inline float $name($M code) {
  uint32_t size = code & $all, u = size << $dropped;
  float out;
  memcpy(&out, &u, 4);
  out *= $up;
  $from_infinity
  $from_nan
  $from_minus
  return (code & $sign) ? -out : out;
}
""",
    "to": """\
static inline $M $name(float x) {
  float size = fabsf(x), scaled = size * $down;
  uint32_t u, sign;
  memcpy(&u, &scaled, 4);
  memcpy(&sign, &x, 4);
  u >>= $dropped;
  $to_infinity
  $to_nan
  u |= (sign >> 31) << $sign_at;
  $to_minus
  return ($M)u;
}
""",
    "narrow_next": """\
static inline float $name(float x, float y) {
  if (x != x || y != y) return x + y;
  if (x == y) return y;
  if (x == 0) return copysignf(tw_from_$dtype(1), y);
  $M code = tw_to_$dtype(x);
  return tw_from_$dtype(($M)((x < y) == (x > 0) ? code + 1 : code - 1));
}
""",
}


def text(kind: str, dtype: str, name: str) -> str:
    """The helper `kind` of TEMPLATES for a narrow dtype."""
    f = format_of(dtype)
    dropped = 23 - f.mantissa
    values = {
        "name": name,
        "dtype": dtype,
        "M": memory_type(dtype),
        "dropped": str(dropped),
        "half": f"0x{(1 << (dropped - 1)) - 1:x}U",
        "below": f"0x{(1 << dropped) - 1:x}U",
        "smallest": _literal(f.smallest_normal),
        "magic": _literal(2.0 ** (24 - f.bias - f.mantissa)),
        "largest": _literal(f.largest),
        "above": _literal(_limit(f)),
        "up": _literal(2.0 ** (127 - f.bias)),
        "down": _literal(2.0 ** (f.bias - 127)),
        "all": f"0x{(1 << (f.bits - 1)) - 1:x}U",
        "sign": f"0x{1 << (f.bits - 1):x}U",
        "sign_at": str(f.bits - 1),
        "zero": "(out == 0 ? 0 : out)" if f.unsigned_zero else "out",
        "undefined": _undefined(f),
        **_special(f),
    }
    return _tidy(Template(TEMPLATES[kind]).substitute(values))


def _undefined(f: NarrowFormat) -> str:
    has_nan = f.nan is not None or f.unsigned_zero
    return "" if has_nan else "if (size != size) out = 0;"


def _limit(f: NarrowFormat) -> float:
    """What is too large becomes: infinity, else NaN, else the largest number."""
    if f.infinity is not None:
        return math.inf
    return math.nan if f.nan is not None or f.unsigned_zero else f.largest


def _special(f: NarrowFormat) -> dict[str, str]:
    code = f"0x{1 << (f.bits - 1):x}U"
    first = None if f.nan is None else f.infinity + 1 if f.infinity is not None else f.nan
    infinite, minus = f.infinity is not None, f.unsigned_zero
    return {
        "from_infinity": f"if (size == 0x{f.infinity:x}U) out = INFINITY;" if infinite else "",
        "from_nan": f"if (size >= 0x{first:x}U) out = NAN;" if first is not None else "",
        "from_minus": f"if (code == {code}) return NAN;" if minus else "",
        "to_infinity": f"if (isinf(x)) u = 0x{f.infinity:x}U;" if infinite else "",
        "to_nan": f"if (x != x) u = 0x{f.nan:x}U;" if f.nan is not None else "",
        "to_minus": f"if (x != x) u = {code};" if minus else "",
    }


def _literal(value: float) -> str:
    return float_literal(value, "float32")


def _tidy(source: str) -> str:
    return "".join(line.rstrip() + "\n" for line in source.splitlines() if line.strip())
