"""NumPy references of the operators."""

from .convolution import *
from .norm import *
from .pooling import *
