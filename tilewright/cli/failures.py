"""How commands end where the work failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..support.errors import TVMError


@contextmanager
def in_one_paragraph(ctx: click.Context) -> Iterator[None]:
    """Shows an error of what runs inside without a traceback, and exits with 1."""
    try:
        yield
    except (TVMError, MemoryError, OSError) as error:
        reason = f"out of memory: {error}" if isinstance(error, MemoryError) else error
        click.echo(f"error: {reason}", err=True)
        ctx.exit(1)
