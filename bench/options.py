"""What the commands of this package share: models by name or file, times, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tilewright.cli.failures import in_one_paragraph
from tilewright.cli.lists import Listed
from tilewright.support.errors import listing

from . import zoo

SECONDS = click.FloatRange(min=0, min_open=True)
COUNT = click.IntRange(min=1)


class Models(Listed[str]):
    """Names of the zoo, and files that end in `.onnx`, by commas."""

    def entry(self, word: str) -> str:
        """The word itself."""
        if word.endswith(".onnx"):
            if not Path(word).is_file():
                raise ValueError(f"there is no file {word!r}")
        elif word not in zoo.NAMES:
            known = listing(zoo.NAMES, len(zoo.NAMES))
            raise ValueError(f"no model {word!r} in the zoo; there are {known}")
        return word


class Command(click.Command):
    """A command whose errors are one paragraph."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        with in_one_paragraph(ctx):
            return super().invoke(ctx)
