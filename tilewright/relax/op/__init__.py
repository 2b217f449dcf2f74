"""The operators of Relax, each declared once (see `_declare`)."""

from . import builtin, ccl, distributed, grad, image, inspect, memory, nn, vision, vm
from . import distributed as dist
from ._declare import DECLARATIONS, Declaration, Sample, declaration, op, sample
from .base import *
from .binary import *
from .bits import *
from .collapse import *
from .create import *
from .gather import *
from .index import *
from .linear_algebra import *
from .manipulate import *
from .mask import *
from .medians import *
from .qdq import *
from .rearrange import *
from .sampling import *
from .search import *
from .set import *
from .statistical import *
from .ternary import *
from .unary import *
