"""The operators of Relax, each declared once (see `_declare`)."""

from . import builtin, image, memory, nn, vision, vm
from ._declare import DECLARATIONS, Declaration, Sample, declaration, op, sample
from .base import *
from .binary import *
from .bits import *
from .create import *
from .gather import *
from .linear_algebra import *
from .manipulate import *
from .rearrange import *
from .search import *
from .statistical import *
from .unary import *
