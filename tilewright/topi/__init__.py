"""The operator inventory: tensor expressions of the operators that models use."""

from . import tag, utils
from .broadcast import *
from .indexing import *
from .layout import *
from .linalg import *
from .math import *
from .scan import *
from .scatter import *
from .slicing import *
from .transform import *
from .reduction import *
from . import nn
