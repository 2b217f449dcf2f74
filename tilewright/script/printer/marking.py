"""Marks in printed text: parts that are underlined, and remarks at the ends of lines.

While text is written a mark is a pair of characters for private use around its part, so that text
can be joined and wrapped as ever. `render` takes them out again. Marks form groups (one a path
that was asked for): of each group only the deepest that occur are shown.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

_OPEN, _CLOSE, _END = 0xF0000, 0x100000, 0x10FFFE


@dataclass(frozen=True)
class Mark:
    """One kind of mark: a remark if `note` is not empty, else an underline."""

    group: int
    depth: int
    note: str = ""


class Marks:
    """The marks of one text, each with its two characters."""

    def __init__(self) -> None:
        self.made: list[Mark] = []

    def add(self, group: int, depth: int, note: str = "") -> int:
        """A new mark's number."""
        self.made.append(Mark(group, depth, note))
        return len(self.made) - 1

    def around(self, number: int, text: str) -> str:
        """`text` with the mark's characters around it."""
        return f"{chr(_OPEN + number)}{text}{chr(_CLOSE + number)}"

    def line(self, number: int, text: str) -> str:
        """A line with the mark around all but its margin; comments have none."""
        stripped = text.lstrip()
        if not stripped or stripped.startswith("# "):
            return text
        return text[: len(text) - len(stripped)] + self.around(number, stripped)

    def remark(self, number: int, gap: str = "") -> str:
        """The remark itself, as text that `render` keeps or leaves out."""
        return self.around(number, f"{gap}# {self.made[number].note}")

    def _chosen(self, text: str) -> set[int]:
        found = {ord(c) - _OPEN for c in text if _OPEN <= ord(c) < _CLOSE}
        deepest: dict[int, int] = {}
        for number in found:
            mark = self.made[number]
            deepest[mark.group] = max(deepest.get(mark.group, 0), mark.depth)
        return {n for n in found if self.made[n].depth == deepest[self.made[n].group]}

    def render(
        self, lines: Sequence[str], *, numbers: bool = False, context: int | None = None
    ) -> str:
        """The lines without marks, `^` below what they underline, remarks kept.

        Empty lines have no number. `context` is how many lines around an underlined one are shown
        (all, if None).
        """
        text = "\n".join(lines)
        chosen = self._chosen(text) if self.made else set()
        rows = [self._plain(line, chosen) for line in text.split("\n")]
        kept = [row for row in rows if row is not None]
        count = list(itertools.accumulate(int(bool(line)) for line, _ in kept))
        width = len(str(count[-1])) if count else 1
        margin = " " * (width + 1) if numbers else ""
        out: list[str] = []
        for start, end, is_shown in _spans([bool(below) for _, below in kept], context):
            if not is_shown:
                out.append(f"(... {end - start} lines skipped ...)")
                continue
            for at in range(start, end):
                line, below = kept[at]
                out.append(f"{count[at]:>{width}} {line}" if numbers and line else line)
                if below:
                    out.append(margin + below)
        return "\n".join(out)

    def _plain(self, line: str, chosen: set[int]) -> tuple[str, str] | None:
        """The line and what stands below; None for a line whose remark is not shown."""
        plain: list[str] = []
        below: list[str] = []
        depth = hidden = 0
        is_remark = False
        for char in line:
            code = ord(char)
            if code < _OPEN or code > _END:
                is_remark |= hidden > 0
                if not hidden:
                    plain.append(char)
                    below.append("^" if depth else " ")
                continue
            is_open = code < _CLOSE
            number = code - (_OPEN if is_open else _CLOSE)
            step = 1 if is_open else -1
            if self.made[number].note:
                hidden += step * (number not in chosen)
            elif number in chosen:
                depth += step
        text = "".join(plain)
        if is_remark and not text.strip():
            return None
        return text, "".join(below).rstrip()


def _spans(underlined: list[bool], context: int | None) -> list[tuple[int, int, bool]]:
    """Runs of lines that are shown and not; a single line is never left out."""
    count = len(underlined)
    if context is None or context < 0 or not any(underlined):
        return [(0, count, True)]
    near = [n for n, is_marked in enumerate(underlined) if is_marked]
    shown = [any(abs(n - at) <= context for n in near) for at in range(count)]
    runs: list[tuple[int, int, bool]] = []
    for at in range(count):
        if runs and runs[-1][2] == shown[at]:
            runs[-1] = (runs[-1][0], at + 1, shown[at])
        else:
            runs.append((at, at + 1, shown[at]))
    return [(a, b, is_shown or b - a == 1) for a, b, is_shown in runs]
