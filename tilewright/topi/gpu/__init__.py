"""Operators that GPUs schedule in their own way: the results are those of the plain ones."""

from ...script.parser.arguments import explain_all as _explain_all
from ..scatter import scatter_elements, scatter_nd
from ..sort import searchsorted
from .scan import *
from .sort import *

_explain_all("topi.gpu", globals())
