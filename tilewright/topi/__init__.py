"""The operator inventory: tensor expressions of the operators that models use."""

from .broadcast import *
from .math import *
