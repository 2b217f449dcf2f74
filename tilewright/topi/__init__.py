"""The operator inventory: tensor expressions of the operators that models use."""

from . import image, nn, tag, testing, utils, vision
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
from .transform import *
