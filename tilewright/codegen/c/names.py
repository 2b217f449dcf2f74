"""C identifiers for the names of a program."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

_KEYWORDS = """
alignas alignof auto bool break case char const continue default do double else enum extern false
float for goto if inline int long main register restrict return short signed sizeof static struct
switch true typedef union unsigned void volatile while asm typeof linux unix lane
"""
_STANDARD = """
NAN INFINITY NULL abort abs atexit calloc div errno exit free labs malloc memchr memcmp memcpy
memmove memset qsort rand realloc srand strcmp strlen isnan isinf isfinite isnormal signbit
j0 j1 jn y0 y1 yn gamma
"""
_MATH = """
acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp10 exp2 expm1
fabs fdim floor fma fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 log1p
log2 logb lrint lround modf nan nearbyint nextafter nexttoward pow pow10 remainder remquo rint round
scalbln scalbn significand sin sincos sinh sqrt tan tanh tgamma trunc drem roundeven
"""
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@cache
def standard_names() -> frozenset[str]:
    """What the headers that the source includes may declare."""
    math = [name + suffix for name in _MATH.split() for suffix in ("", "f", "l")]
    return frozenset((*_STANDARD.split(), *math))


@cache
def _reserved() -> frozenset[str]:
    return standard_names() | frozenset(_KEYWORDS.split())


def _is_reserved(name: str) -> bool:
    """Whether C or its headers may mean something by `name`; `int32_t` and its like end in `_t`."""
    return name in _reserved() or (name.endswith("_t") and not name.startswith("__"))


def is_identifier(name: str) -> bool:
    """Whether `name` can stand in C as it is."""
    return _IDENTIFIER.fullmatch(name) is not None


def function_name(name: str) -> str:
    """The C name of the function `name`: itself, unless C has no such identifier or its own."""
    if is_identifier(name) and not _is_reserved(name) and not name.startswith("tw_"):
        return name
    return "tw_function_" + re.sub(r"\W", lambda m: f"_{ord(m.group()):x}_", name, flags=re.ASCII)


class Names:
    """Gives the variables of one function identifiers of their own, other than those `taken`."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def new(self, wanted: str) -> str:
        """An identifier like `wanted` that nothing else has."""
        base = re.sub(r"\W", "_", wanted, flags=re.ASCII) or "v"
        base = f"v{base}" if base[0].isdigit() else base
        if _is_reserved(base) or base.startswith(("tw_", "__")) or base[:2] == "_U":
            base = f"v_{base.lstrip('_')}"
        name, count = base, 0
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name
