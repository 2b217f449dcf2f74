"""Script text to IR: the inverse of `tilewright.script.printer`."""

from .core import Form, Parser, parses
from .entry import CLASSES, FUNCTIONS, Decorator, definition, from_source
from .evaluate import LOGIC, SPECIAL, assign
from .macro import Macro, MacroCall, MacroDecorator
