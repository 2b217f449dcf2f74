"""Integer matrices brought to diagonal form by steps that integers undo."""

from __future__ import annotations

from dataclasses import dataclass

from .terms import Sum, Terms

Row = list[int]


@dataclass
class Diagonal:
    """`U * matrix * change = rows`, diagonal, and `right` multiplied by `U`.

    `back` is the inverse of `change`; both hold integers, as does `U`.
    """

    rows: list[Row]
    right: list[Sum]
    change: list[Row]
    back: list[Row]
    rank: int = 0


def diagonal(terms: Terms, rows: list[Row], right: list[Sum], columns: int) -> Diagonal:
    """The system `rows * x = right` in the unknowns `y` with `x = change * y`.

    The Smith normal form without its divisibility chain (H. Cohen, A Course in Computational
    Algebraic Number Theory, section 2.4.4): gcd steps on columns and rows in turn.
    """
    made = Diagonal(
        [list(row) for row in rows], list(right), _identity(columns), _identity(columns)
    )
    while (place := _pivot(made)) is not None:
        row, column = place
        _swap_rows(made, made.rank, row)
        _swap_columns(made, made.rank, column)
        while _clear(terms, made):
            pass
        made.rank += 1
    return made


def _identity(size: int) -> list[Row]:
    return [[int(i == j) for j in range(size)] for i in range(size)]


def _pivot(made: Diagonal) -> tuple[int, int] | None:
    for r in range(made.rank, len(made.rows)):
        for c in range(made.rank, len(made.change)):
            if made.rows[r][c]:
                return r, c
    return None


def _swap_rows(made: Diagonal, a: int, b: int) -> None:
    made.rows[a], made.rows[b] = made.rows[b], made.rows[a]
    made.right[a], made.right[b] = made.right[b], made.right[a]


def _swap_columns(made: Diagonal, a: int, b: int) -> None:
    for row in (*made.rows, *made.change):
        row[a], row[b] = row[b], row[a]
    made.back[a], made.back[b] = made.back[b], made.back[a]


def _clear(terms: Terms, made: Diagonal) -> bool:
    """Clears the row and then the column of the pivot; True if the row needs it again."""
    at = made.rank
    for c in range(at + 1, len(made.change)):
        if made.rows[at][c]:
            _combine_columns(made, at, c)
    for r in range(at + 1, len(made.rows)):
        if made.rows[r][at]:
            _combine_rows(terms, made, at, r)
    return any(made.rows[at][at + 1 :])


def _combine_columns(made: Diagonal, i: int, c: int) -> None:
    """Columns `i, c` become `m i + n c` and `q i - p c`, which has a zero in the pivot's row."""
    p, q, m, n = _steps(made.rows[made.rank][i], made.rows[made.rank][c])
    for row in (*made.rows, *made.change):
        row[i], row[c] = m * row[i] + n * row[c], q * row[i] - p * row[c]
    first, second = made.back[i], made.back[c]
    made.back[i] = [p * x + q * y for x, y in zip(first, second, strict=True)]
    made.back[c] = [n * x - m * y for x, y in zip(first, second, strict=True)]


def _combine_rows(terms: Terms, made: Diagonal, i: int, r: int) -> None:
    p, q, m, n = _steps(made.rows[i][i], made.rows[r][i])
    a, b = made.rows[i], made.rows[r]
    made.rows[i] = [m * x + n * y for x, y in zip(a, b, strict=True)]
    made.rows[r] = [q * x - p * y for x, y in zip(a, b, strict=True)]
    x, y = made.right[i], made.right[r]
    made.right[i] = terms.add(x.scaled(m), y, n)
    made.right[r] = terms.add(x.scaled(q), y, -p)


def _steps(a: int, b: int) -> tuple[int, int, int, int]:
    """`a / g, b / g, m, n` with `m a + n b = g`, a common divisor: `a` if that divides `b`."""
    if b % a == 0:
        return 1, b // a, 1, 0
    r, s = (a, 1, 0), (b, 0, 1)
    while s[0]:
        q = r[0] // s[0]
        r, s = s, (r[0] - q * s[0], r[1] - q * s[1], r[2] - q * s[2])
    g, m, n = r
    return a // g, b // g, m, n
