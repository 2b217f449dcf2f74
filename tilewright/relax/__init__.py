"""Relax: graph programs over tensors, with symbolic shapes."""

from ..support.public import lazy_attributes
from . import analysis, distributed, dpl, expr_functor, op, printer, printer_free, transform
from .base import Expr, ExprWithOp, StructInfo
from .binding_rewrite import DataflowBlockRewrite
from .block_builder import BlockBuilder
from .deduce import deduce
from .expr import *
from .expr import _update_struct_info
from .expr_functor import PyExprMutator, PyExprVisitor
from .op import (
    call_builtin_with_ctx,
    call_dps_packed,
    call_inplace_packed,
    call_pure_packed,
    call_tir,
    call_tir_inplace,
    call_tir_with_grad,
)
from .pipeline import get_default_pipeline, get_pipeline, register_pipeline
from .struct_info import *
from .type import *

__getattr__, __dir__ = lazy_attributes(__name__)
