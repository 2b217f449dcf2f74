"""Operators of neural networks."""

from ...script.parser.arguments import explain_all as _explain_all
from .attention import *
from .backward import *
from .bits import *
from .conv import *
from .conv_blocked import *
from .conv_transpose import *
from .correlation import *
from .deformable import *
from .dense import *
from .elemwise import *
from .fifo_buffer import *
from .loss import *
from .lstm import *
from .norm import *
from .packed import *
from .pad import *
from .pool_grad import *
from .pooling import *
from .qnn import *
from .softmax import *
from .spatial import *
from .utils import (
    get_pad_tuple,
    get_pad_tuple1d,
    get_pad_tuple3d,
    get_pad_tuple_generic,
    get_padded_shape,
)  # fmt: skip
from .winograd import *
from .winograd_plain import *

_explain_all("topi.nn", globals())
