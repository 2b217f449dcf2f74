"""The intrinsics of loop programs and the folding constructors behind Python's operators."""

from .arithmetic import *
from .bits import *
from .calls import *
from .constant import *
from .conversion import *
from .elementary import *
from .intrinsics import *
from .logic import *
from .logic import every, some
