"""Reads the tables of this folder."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
HEAD = re.compile(r"\[(.+)\] (\S+) (\d+)")


class Row(NamedTuple):
    """A row of the list of features: where its names stand, how many there are, and they."""

    path: str
    count: int
    names: list[str]


def _lines(name: str) -> list[str]:
    text = (FOLDER / name).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def rows() -> dict[str, Row]:
    """The rows of `names.txt`."""
    made: dict[str, Row] = {}
    current: list[str] = []
    for line in _lines("names.txt"):
        head = HEAD.fullmatch(line)
        if head is None:
            current += line.split()
        else:
            current = []
            made[head[1]] = Row(head[2], int(head[3]), current)
    return made


def absent() -> dict[str, set[str]]:
    """The names of `absent.txt`, by row: its lines are `[row] names: reason`."""
    made: dict[str, set[str]] = {}
    for line in _lines("absent.txt"):
        row, names = re.fullmatch(r"\[(.+?)\] (.+?): .+", line).groups()  # type: ignore[union-attr]
        made.setdefault(row, set()).update(names.split())
    return made


def place(path: str) -> Any:
    """The module or class at `path` below the package."""
    parts = path.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(("tilewright", *parts[:split])))
        except ModuleNotFoundError:
            continue
        for part in parts[split:]:
            found = getattr(found, part)
        return found
    return getattr(importlib.import_module("tilewright"), path)
