"""Fits the polynomials of `tilewright/codegen/math/coefficients.py`; needs `mpmath`.

Each is a minimax polynomial (Remez exchange in 60 digits) of a smooth remainder, weighted so that
the relative error of the whole function is what is levelled. Prints the module's text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

mp.mp.dps = 60
Real = Callable[[Any], Any]


def remez(f: Real, weight: Real, low: float, high: float, degree: int) -> tuple[list[Any], Any]:
    """Coefficients (constant first) of the polynomial with the least `max |weight * (p - f)|`."""
    n = degree + 2
    points = [low + (high - low) * (1 - mp.cos(mp.pi * i / (n - 1))) / 2 for i in range(n)]
    grid = [low + (high - low) * (1 - mp.cos(mp.pi * i / 600)) / 2 for i in range(601)]
    values = [(x, f(x), weight(x)) for x in grid]
    for _ in range(12):
        matrix = mp.matrix(n, n)
        right = mp.matrix(n, 1)
        for i, x in enumerate(points):
            for j in range(degree + 1):
                matrix[i, j] = x**j
            matrix[i, degree + 1] = (-1) ** i / weight(x)
            right[i] = f(x)
        solution = mp.lu_solve(matrix, right)
        coefficients = [solution[j] for j in range(degree + 1)]
        errors = [w * (mp.polyval(coefficients[::-1], x) - y) for x, y, w in values]
        points = _extrema([x for x, _, _ in values], errors, n)
    return coefficients, max(abs(e) for e in errors)


def _extrema(grid: list[Any], errors: list[Any], count: int) -> list[Any]:
    runs: list[tuple[Any, Any]] = []
    for x, e in zip(grid, errors, strict=True):
        if runs and (runs[-1][1] > 0) == (e > 0):
            if abs(e) > abs(runs[-1][1]):
                runs[-1] = (x, e)
        else:
            runs.append((x, e))
    while len(runs) > count:
        if abs(runs[0][1]) < abs(runs[-1][1]):
            runs.pop(0)
        else:
            runs.pop()
    if len(runs) < count:
        raise ArithmeticError(f"{len(runs)} extrema found, {count} expected")
    return [x for x, _ in runs]


def series(f: Real, below: Real) -> Real:
    """`f(x)`, or `below(x)` where `x` is so small that `f` would cancel."""
    return lambda x: below(x) if abs(x) < mp.mpf(10) ** -18 else f(x)


LN2 = mp.log(2)
QUARTER = mp.pi / 4
# name: (function, weight, low, high, degree in float32, degree in float64)
FITS: dict[str, tuple[Real, Real, Any, Any, int | None, int | None]] = {
    "EXP": (
        series(lambda r: (mp.exp(r) - 1 - r) / r**2, lambda r: mp.mpf(0.5) + r / 6),
        lambda r: r**2 / mp.exp(r) + mp.mpf(10) ** -9,
        -LN2 / 2 * 1.001, LN2 / 2 * 1.001, 4, 9,
    ),
    "LOG": (  # log(1 + f) = f - f^2 / 2 + f^3 Q(f)
        series(lambda f: (mp.log1p(f) - f + f * f / 2) / f**3, lambda f: mp.mpf(1) / 3 - f / 4),
        lambda f: abs(f**2) + mp.mpf(10) ** -6,
        mp.sqrt(0.5) - 1, mp.sqrt(2) - 1, 7, None,
    ),
    "ATANH": (  # log((1 + s) / (1 - s)) = 2 s + s z R(z), z = s^2
        series(
            lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z,
            lambda z: mp.mpf(2) / 3 + 2 * z / 5,
        ),
        lambda z: z + mp.mpf(10) ** -6,
        mp.mpf(0), mp.mpf("0.02946"), None, 6,
    ),
    "ATANH5": (  # log((1 + s) / (1 - s)) = 2 s + 2 s^3 / 3 + s^5 R(z)
        series(
            lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2 - 2 * z / 3) / z**2,
            lambda z: mp.mpf(2) / 5 + 2 * z / 7,
        ),
        lambda z: z + mp.mpf(10) ** -6,
        mp.mpf(0), mp.mpf("0.02946"), None, 8,
    ),
    "SIN": (  # sin(r) = r + r z S(z)
        series(
            lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, lambda z: -mp.mpf(1) / 6 + z / 120
        ),
        lambda z: z + mp.mpf(10) ** -6,
        mp.mpf(0), QUARTER**2 * 1.01, 3, 5,
    ),
    "COS": (  # cos(r) = 1 - z / 2 + z^2 C(z)
        series(
            lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, lambda z: mp.mpf(1) / 24 - z / 720
        ),
        lambda z: z**2 + mp.mpf(10) ** -6,
        mp.mpf(0), QUARTER**2 * 1.01, 2, 5,
    ),
    "ATAN": (  # atan(t) = t + t z A(z), |t| <= tan(pi / 8)
        series(
            lambda z: (mp.atan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, lambda z: -mp.mpf(1) / 3 + z / 5
        ),
        lambda z: z + mp.mpf(10) ** -6,
        mp.mpf(0), mp.tan(mp.pi / 8) ** 2 * 1.001, None, 11,
    ),
    "ASIN": (  # asin(x) = x + x z P(z), |x| <= 1/2
        series(
            lambda z: (mp.asin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
            lambda z: mp.mpf(1) / 6 + 3 * z / 40,
        ),
        lambda z: z + mp.mpf(10) ** -6,
        mp.mpf(0), mp.mpf(0.25), None, 13,
    ),
    "TANH": (  # tanh(x) = x + x z T(z), z = x^2
        series(
            lambda z: (mp.tanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
            lambda z: -mp.mpf(1) / 3 + 2 * z / 15,
        ),
        lambda z: z + mp.mpf(10) ** -6,
        mp.mpf(0), mp.mpf("0.625") ** 2 * 1.001, 4, None,
    ),
    "ERF": (  # erf(x) = x + x P(z), z = x^2
        series(
            lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
            lambda z: 2 / mp.sqrt(mp.pi) * (1 - z / 3) - 1,
        ),
        lambda z: mp.mpf(1),
        mp.mpf(0), mp.mpf(1), 6, 12,
    ),
    "LOG_ERFC_F32": (  # erfc(x) = exp(-G(x - 1)), 1 <= x <= 4
        lambda t: -mp.log(mp.erfc(t + 1)), lambda t: mp.erfc(t + 1),
        mp.mpf(0), mp.mpf(3), 7, None,
    ),
    "LOG_ERFC_F64": (  # erfc(x) = exp(-G(x - 1)), 1 <= x <= 6
        lambda t: -mp.log(mp.erfc(t + 1)), lambda t: mp.erfc(t + 1),
        mp.mpf(0), mp.mpf(5), None, 18,
    ),
}  # fmt: skip


def main() -> None:
    """Prints one table for each format."""
    for format, column in (("float32", 4), ("float64", 5)):
        print(f"{format.upper()} = {{")
        for name, row in FITS.items():
            degree = row[column]
            if degree is None:
                continue
            coefficients, error = remez(*row[:4], degree)
            kind = np.float32 if format == "float32" else np.float64
            shown = [repr(float(kind(mp.nstr(c, 30)))) for c in coefficients]
            print(
                f'    "{name.removesuffix("_F32").removesuffix("_F64")}": (  '
                f"# error 2^{float(mp.log(error, 2)):.1f}"
            )
            for c in shown:
                print(f"        {c},")
            print("    ),")
        print("}")


if __name__ == "__main__":
    main()
