"""Files that commands write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class OutputFile(click.Path):
    """A file to write, refused before any work begins if its directory does not exist."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Raises a usage error if it cannot be written."""
        path = super().convert(value, param, ctx)
        parent = Path(str(path)).parent
        if not parent.is_dir():
            self.fail(f"the directory {str(parent)!r} does not exist.", param, ctx)
        return path
