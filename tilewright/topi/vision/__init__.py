"""Operators of object detection."""

from .boxes import *
from .roi import *
