"""Random numbers from a counter: every state gives the same numbers on every device."""

from ...script.parser.arguments import explain_all as _explain_all
from .kernel import *

_explain_all("topi.random", globals())
