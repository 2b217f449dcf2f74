"""Nodes as script text: `PrinterConfig` has the options, `doc` the pieces of Python text."""

from .config import PrinterConfig
from .core import (
    FIELDS,
    FREE,
    HANDLERS,
    METADATA,
    UNNAMED,
    Printer,
    Text,
    prints,
    prints_attribute,
    prints_lines,
    programs,
    script,
    statements,
    word,
)
from .display import show
