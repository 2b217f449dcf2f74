"""Spans: the place in the user's own source that an IR node comes from."""

from __future__ import annotations

import linecache
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A place: a range of text in a script, or a named part of a model (`origin`).

    `source_name` is a file name (or `<string>`); lines and columns count from 1, 0 meaning unknown.
    `origin` describes a place that is not text, such as ``ONNX node 'conv1' (Conv)``.
    """

    source_name: str = ""
    line: int = 0
    end_line: int = 0
    column: int = 0
    end_column: int = 0
    origin: str = ""

    def __str__(self) -> str:
        if self.origin:
            return self.origin
        return f"{self.source_name}:{self.line}:{self.column}" if self.line else self.source_name

    def excerpt(self) -> str:
        """The source line with a caret under the span; empty if the text cannot be found."""
        text = linecache.getline(self.source_name, self.line).rstrip("\n") if self.line else ""
        if not text:
            return ""
        margin = " " * len(str(self.line))
        width = max(1, self.end_column - self.column) if self.end_line <= self.line else 1
        caret = " " * max(0, self.column - 1) + "^" * width
        return f"{self.line} | {text}\n{margin} | {caret}"


def model_span(origin: str) -> Span:
    """A span for a part of a model, named in the words of its format."""
    return Span(origin=origin)
