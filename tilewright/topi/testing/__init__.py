"""NumPy references of the operators."""

from .array import *
from .convolution import *
from .convolution_named import *
from .image import *
from .network import *
from .norm import *
from .pooling import *
from .vision import *
