"""Operators of neural networks."""

from .attention import *
from .conv import *
from .conv_blocked import *
from .conv_transpose import *
from .deformable import *
from .dense import *
from .elemwise import *
from .loss import *
from .norm import *
from .packed import *
from .pad import *
from .pool_grad import *
from .pooling import *
from .softmax import *
from .spatial import *
from .utils import get_pad_tuple, get_pad_tuple1d, get_pad_tuple3d, get_pad_tuple_generic
from .winograd import *
