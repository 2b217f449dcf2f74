"""Script text to IR: the inverse of `tilewright.script.printer`."""

from typing import TYPE_CHECKING

from ...support import public as _public
from .core import Form, Parser, parses
from .entry import CHECKS, CLASSES, FUNCTIONS, Decorator, definition, from_source
from .evaluate import SPECIAL, assign
from .macro import Macro, MacroCall, MacroDecorator, ValueMacro
from .python import LOGIC
from .source import Source

if not TYPE_CHECKING:  # the dialects stand above this package
    __getattr__, __dir__ = _public.lazy_attributes(__name__)
