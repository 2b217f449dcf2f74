"""What every dialect shares: nodes and what derives from them, types, modules, passes."""

from ..ffi import Array, Map
from . import analysis, base, diagnostics, printer
from .base import DictAttrs, EnvFunc, make_node
from .expr import BaseExpr, BaseFunc, FloatImm, GlobalVar, IntImm, PrimExpr, RelaxExpr
from .functor import Rewriter, Visitor, on, post_order_visit
from .global_info import DummyGlobalInfo, GlobalInfo, VDevice
from .json import load_json, save_json
from .module import IRModule
from .node import Node, definition, ignored, node
from .op import Op, register_op, register_op_attr
from .range import Range
from .structural import (
    assert_structural_equal,
    get_first_structural_mismatch,
    structural_equal,
    structural_hash,
)
from .type import FuncType, OpaqueType, PointerType, PrimType, TupleType, Type
