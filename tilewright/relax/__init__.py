"""Relax: graph programs over tensors, with symbolic shapes."""

from typing import TYPE_CHECKING

from ..support import public as _public
from . import analysis, op
from .base import Expr, ExprWithOp, StructInfo
from .deduce import deduce
from .expr import *
from .expr import _update_struct_info
from .op import (
    call_builtin_with_ctx,
    call_dps_packed,
    call_inplace_packed,
    call_pure_packed,
    call_tir,
    call_tir_inplace,
    call_tir_with_grad,
)
from .struct_info import *

if not TYPE_CHECKING:  # public names that other layers define; a checker would take all for granted
    __getattr__, __dir__ = _public.lazy_attributes(__name__)
