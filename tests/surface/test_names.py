"""Every name of the features of loop programs resolves, or stands in `absent.txt` with a reason."""

from __future__ import annotations

import pytest

from .tables import absent, place, rows

ROWS, ABSENT = rows(), absent()


@pytest.mark.parametrize("row", ROWS)
def test_names_resolve(row: str) -> None:
    path, count, names = ROWS[row]
    assert len(set(names)) == count
    owner = place(path)
    missing = {name for name in names if not hasattr(owner, name)}
    assert missing == ABSENT.get(row, set())


def test_only_names_of_the_rows_are_absent() -> None:
    assert all(names <= set(ROWS[row].names) for row, names in ABSENT.items())
