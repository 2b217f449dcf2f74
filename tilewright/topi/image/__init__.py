"""Operators on images."""

from ...script.parser.arguments import explain_all as _explain_all
from .dilation2d import *
from .grid_sample import *
from .resize import *

_explain_all("topi.image", globals())
