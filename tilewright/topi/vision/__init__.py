"""Operators of object detection."""

from ...script.parser.arguments import explain_all as _explain_all
from .boxes import *
from .nms import *
from .roi import *

_explain_all("topi.vision", globals())
