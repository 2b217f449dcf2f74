"""TensorIR: loop programs over buffers, with blocks as the unit of scheduling."""

from typing import TYPE_CHECKING

from ..ir.expr import FloatImm, IntImm, PrimExpr, Range
from ..script.parser.arguments import explain_all as _explain_all
from ..support import public as _public
from . import arith, printer_stmt, specialize
from .buffer import Buffer, decl_buffer
from .expr import *
from .expr import CallEffectKind, IterVarType
from .function import PrimFunc
from .op.arithmetic import *
from .op.bits import *
from .op.calls import *
from .op.constant import *
from .op.conversion import *
from .op.elementary import *
from .op.intrinsics import *
from .op.logic import *
from .stmt import (
    Allocate,
    AllocateConst,
    AssertStmt,
    AttrStmt,
    Block,
    BlockRealize,
    BufferRealize,
    BufferRegion,
    BufferStore,
    DeclBuffer,
    Evaluate,
    For,
    ForKind,
    IfThenElse,
    LetStmt,
    MatchBufferRegion,
    SeqStmt,
    Stmt,
    While,
    stmt_list,
    stmt_seq,
)  # fmt: skip

if not TYPE_CHECKING:  # public names that other layers define; a checker would take all for granted
    del max, min  # `te.max` and `te.min`, which reduce over axes as well
    __getattr__, __dir__ = _public.lazy_attributes(__name__)

_explain_all("tir", globals())
