"""TensorIR: loop programs over buffers, with blocks as the unit of scheduling."""

from ..ir.expr import FloatImm, IntImm, PrimExpr, Range
from . import printer_stmt
from .buffer import Buffer, decl_buffer
from .expr import *
from .expr import CallEffectKind, IterVarType
from .function import PrimFunc
from .op import *
from .stmt import (
    Allocate,
    AllocateConst,
    AssertStmt,
    AttrStmt,
    Block,
    BlockRealize,
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
    stmt_seq,
)  # fmt: skip

from .schedule import Schedule, ScheduleError, ScheduleState, StmtSRef
