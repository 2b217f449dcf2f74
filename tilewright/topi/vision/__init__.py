"""Operators of object detection."""

from .boxes import *
from .nms import *
from .roi import *
