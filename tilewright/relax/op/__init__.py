"""The operators of Relax, each declared once (see `_declare`)."""

from . import nn
from ._declare import DECLARATIONS, Declaration, Sample, declaration, op, sample
from .base import *
from .binary import *
from .linear_algebra import *
from .manipulate import *
from .statistical import *
