"""The operator inventory: tensor expressions of the operators that models use."""

from . import tag, utils
from .broadcast import *
from .indexing import *
from .layout import layout_shape, layout_transform, parse_layout
from .linalg import einsum, matmul, tensordot
from .math import *
from .scan import cumprod, cumsum, scanop
from .scatter import index_put, scatter_add, scatter_elements, scatter_nd
from .slicing import dynamic_strided_slice, slice_scatter, strided_set, strided_slice
from .transform import *
