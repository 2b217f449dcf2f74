"""Nodes as script text: `PrinterConfig` has the options, `doc` the pieces of Python text."""

from .config import PrinterConfig
from .core import (
    FREE,
    HANDLERS,
    METADATA,
    Printer,
    Text,
    prints,
    programs,
    script,
    statements,
)
from .display import show
