"""Operators of neural networks."""

from .nn import *
from .nn import relu
