"""The operator inventory: tensor expressions of the operators that models use."""

from ..script.parser.arguments import explain_all as _explain_all
from . import gpu, hexagon, image, nn, random, sparse, tag, testing, utils, vision
from .argwhere import *
from .broadcast import *
from .indexing import *
from .layout import *
from .linalg import *
from .math import *
from .reduction import *
from .scan import *
from .scatter import *
from .signal import *
from .slicing import *
from .sort import *
from .sparse_reshape import *
from .transform import *
from .utils import (
    InvalidShapeError,
    const_vector,
    equal_const_int,
    get_const_float,
    get_const_int,
    get_const_tuple,
    make_idx,
    within_index,
)  # fmt: skip

_explain_all("topi", globals())
