"""The public path of `tilewright.tir.arith`."""

from ..tir.arith import *
