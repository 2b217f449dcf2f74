"""Statements of loop programs, from blocks down to plain loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, ClassVar

import numpy as np

from ..ir.expr import OPERATORS, IntImm, PrimExpr, Range, as_scalar
from ..ir.node import Node, binders, definition, ignored, node
from ..ir.type import PointerType
from ..support.arrays import as_constant
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError, ArgumentTypeError
from ..support.span import Span
from .accesses import access_dtype, as_indices, check_predicate
from .buffer import Buffer
from .expr import BufferLoad, IterVar, Ramp, StringImm, Var, multiple_of_vscale
from .op import not_equal, simplified


@node("tir.Stmt")
class Stmt(Node):
    """The base of all statements."""

    is_checked: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Nothing to convert."""


@node("tir.LetStmt")
class LetStmt(Stmt):
    """`body` with `var` standing for `value`, computed once."""

    var: Var = definition()
    value: PrimExpr
    body: Stmt

    def __post_init__(self) -> None:
        self.value = as_scalar(self.value, self.var.dtype)  # type: ignore[misc]
        kind = dtype_of(self.var.dtype)
        if not kind.is_handle and dtype_of(self.value.dtype).name != kind.name:
            raise ArgumentError(
                f"`{self.var.name}` of {self.var.dtype} stands for a value of {self.value.dtype}",
                self.span, hint="convert one with astype",
            )  # fmt: skip


@node("tir.AttrStmt")
class AttrStmt(Stmt):
    """`body` under the attribute `attr_key` of `node`, such as a thread's extent."""

    node: Any
    attr_key: str
    value: PrimExpr
    body: Stmt

    def __post_init__(self) -> None:
        if isinstance(self.node, (str, int, float)):
            self.node = _constant(self.node)  # type: ignore[misc]
        if not isinstance(self.value, PrimExpr):
            self.value = _constant(self.value)


def _constant(value: Any) -> PrimExpr:
    return StringImm(value) if isinstance(value, str) else as_scalar(value)


VIRTUAL_THREAD = "virtual_thread"


def launch_key(thread_tag: str) -> str:
    """The attribute that launches the threads of an axis: virtual ones have their own."""
    return VIRTUAL_THREAD if thread_tag.startswith("vthread") else "thread_extent"


@node("tir.AssertStmt")
class AssertStmt(Stmt):
    """`body`, after an error with `message` unless `condition` holds."""

    condition: PrimExpr
    message: PrimExpr
    body: Stmt

    def __post_init__(self) -> None:
        self.condition = as_scalar(self.condition)  # type: ignore[misc]
        if isinstance(self.message, str):
            self.message = StringImm(self.message)
        _require_bool("AssertStmt", self.condition, self.span)
        if not isinstance(self.message, PrimExpr):
            raise ArgumentTypeError(
                f"`message` of tir.AssertStmt is a string, found {self.message!r}", self.span
            )


def as_condition(which: str, value: object, span: Span | None = None) -> PrimExpr:
    """A scalar of bool; an integer is true if it is not 0, as in Python. Raises `ArgumentError`
    for any other value, which is the condition of `which`."""
    made = as_scalar(value)
    if made.dtype != "bool" and _is_integer(made.dtype):
        made = not_equal(made, 0)
    _require_bool(which, made, span)
    return made


_LOOPS = frozenset(("int32", "int64"))


def _is_integer(dtype: str) -> bool:
    info = dtype_of(dtype)
    return info.lanes == 1 and info.is_integral


def _require_bool(which: str, condition: PrimExpr, span: Span | None) -> None:
    if condition.dtype != "bool":
        raise ArgumentError(
            f"the condition of {which} is a bool, found {condition.dtype}", span,
            hint="compare it, as in x != 0",
        )  # fmt: skip


class ForKind(IntEnum):
    """How the iterations of a loop run."""

    SERIAL = 0
    PARALLEL = 1
    VECTORIZED = 2
    UNROLLED = 3
    THREAD_BINDING = 4


def _annotations(stmt: Any) -> dict[str, Any]:
    given = stmt.annotations
    if given is not None and not isinstance(given, Mapping):
        raise ArgumentTypeError(
            f"`annotations` of {stmt.type_key} is a dict, found {given!r}", stmt.span
        )
    return dict(given or {})


_LOOP_KINDS = frozenset(ForKind)


@node("tir.For")
class For(Stmt):
    """`for loop_var in range(min, min + extent): body`, run as `kind` says."""

    loop_var: Var = definition()
    min: PrimExpr
    extent: PrimExpr
    kind: ForKind
    body: Stmt
    thread_binding: IterVar | None = None
    annotations: dict[str, Any] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        dtype = self.loop_var.dtype
        if dtype not in _LOOPS and not _is_integer(dtype):
            raise ArgumentError(
                f"loop variable `{self.loop_var.name}` is an integer, found {dtype}", self.span
            )
        self.min = _as_index(self.min, dtype)  # type: ignore[misc]
        self.extent = _as_index(self.extent, dtype)  # type: ignore[misc]
        if self.kind not in _LOOP_KINDS:
            raise ArgumentTypeError(
                f"no kind of loop is {self.kind!r}",
                self.span,
                hint=f"ForKind.{', '.join(ForKind.__members__)}",
            )
        self.kind = ForKind(self.kind)  # type: ignore[misc]
        self.annotations = _annotations(self)  # type: ignore[misc]


def _as_index(value: object, dtype: str) -> PrimExpr:
    made = as_scalar(value, dtype)
    if made.dtype == dtype:
        return made
    if isinstance(made, IntImm):
        return IntImm(dtype, made.value, span=made.span)
    raise ArgumentError(f"a loop over {dtype} has a bound of {made.dtype}: {made}")


@node("tir.While")
class While(Stmt):
    """`body` as long as `condition` holds."""

    condition: PrimExpr
    body: Stmt

    def __post_init__(self) -> None:
        self.condition = as_condition("While", self.condition, self.span)  # type: ignore[misc]


@node("tir.BufferStore")
class BufferStore(Stmt):
    """`buffer[indices] = value`, a vector if an index is one; `predicate` masks lanes."""

    buffer: Buffer
    value: PrimExpr
    indices: tuple[PrimExpr, ...]
    predicate: PrimExpr | None = None

    def __post_init__(self) -> None:
        self.indices = as_indices(self.indices)  # type: ignore[misc]
        expected = access_dtype(self.buffer, self.indices)
        self.value = as_scalar(self.value, expected)  # type: ignore[misc]
        if self.value.dtype != expected:
            lanes = dtype_of(self.value.dtype).lanes
            same = lanes == dtype_of(expected).lanes
            raise ArgumentError(
                f"a value of {self.value.dtype} is stored to `{self.buffer.name}` "
                f"where {expected} is expected",
                self.span,
                hint=f'convert it, as in T.Cast("{expected}", value)'
                if same
                else f"store as many elements as the value has, as in `A[..., i:i + {lanes}]`",
            )
        if self.predicate is not None:
            check_predicate(self.predicate, expected, self.span)


@node("tir.Allocate")
class Allocate(Stmt):
    """`body` with `buffer_var` the address of new memory of `extents` elements of `dtype`."""

    buffer_var: Var = definition()
    dtype: str
    extents: tuple[PrimExpr, ...]
    condition: PrimExpr
    body: Stmt
    annotations: dict[str, Any] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.extents = as_indices(self.extents)  # type: ignore[misc]
        self.condition = as_scalar(self.condition)  # type: ignore[misc]
        _require_bool("Allocate", self.condition, self.span)
        self.dtype = dtype_of(self.dtype).name  # type: ignore[misc]
        _require_pointer("Allocate", self.buffer_var, self.dtype, self.span)
        for extent in self.extents:
            if not _is_integer(extent.dtype) or (isinstance(extent, IntImm) and extent.value < 0):
                raise ArgumentError(
                    f"an extent of Allocate is an integer of 0 or more, found {extent}", self.span
                )
        self.annotations = _annotations(self)  # type: ignore[misc]


def _require_pointer(which: str, var: Var, dtype: str, span: Span | None) -> None:
    kind = var.type_annotation
    if not isinstance(kind, PointerType):
        raise ArgumentError(
            f"{which} needs a pointer to {dtype}, found `{var.name}` of {var.dtype}", span,
            hint=f'declare it, as in T.handle("{dtype}")',
        )  # fmt: skip
    element = getattr(kind.element_type, "dtype", None)
    if element != dtype and (element, dtype) != ("int8", "bool"):
        raise ArgumentError(
            f"{which} of {dtype} gives the address `{var.name}` of {element or 'another type'}",
            span, hint=f'declare it, as in T.handle("{dtype}")',
        )  # fmt: skip


CONSTANT_INDEX = "irmod_storage_idx"
"""The annotation of constants that the module keeps, too: their place there."""


@node("tir.AllocateConst")
class AllocateConst(Stmt):
    """`body` with `buffer_var` the address of constant values, a read-only `array`."""

    buffer_var: Var = definition()
    dtype: str
    extents: tuple[PrimExpr, ...]
    array: np.ndarray[Any, Any]
    body: Stmt
    annotations: dict[str, Any] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.extents = as_indices(self.extents)  # type: ignore[misc]
        self.dtype = dtype_of(self.dtype).name  # type: ignore[misc]
        _require_pointer("AllocateConst", self.buffer_var, self.dtype, self.span)
        if not hasattr(self.array, "shape"):
            raise ArgumentTypeError(
                f"the values of AllocateConst are an array, found {self.array!r}", self.span
            )
        self.array = as_constant(self.array)  # type: ignore[misc]
        self.annotations = _annotations(self)  # type: ignore[misc]

    @property
    def data(self) -> Any:
        """The values as a runtime tensor that shares their memory."""
        from ..runtime.constants import constant_tensor  # loaded only when it is needed

        return constant_tensor(self.array)

    @property
    def irmod_storage_idx(self) -> int | None:
        """The place of the values in the module's attribute `constants`, if they are there."""
        return self.annotations.get(CONSTANT_INDEX)


@node("tir.DeclBuffer")
class DeclBuffer(Stmt):
    """`body` with `buffer` declared as a view of memory that exists."""

    buffer: Buffer = definition()
    body: Stmt


@node("tir.BufferRealize")
class BufferRealize(Stmt):
    """`body` with `buffer` computed within `bounds`, a `Range` a dimension, if `condition` holds.

    Memory that is not laid out yet: what is accessed of the buffer lies in the bounds. Raises
    `ArgumentError` unless there is one range a dimension.
    """

    buffer: Buffer = definition()
    bounds: tuple[Range, ...]
    condition: PrimExpr
    body: Stmt

    def __post_init__(self) -> None:
        self.bounds = tuple(self.bounds)  # type: ignore[misc]
        self.condition = as_scalar(self.condition, "bool")  # type: ignore[misc]
        _require_bool("BufferRealize", self.condition, self.span)
        if len(self.bounds) != self.buffer.ndim:
            raise ArgumentError(
                f"buffer `{self.buffer.name}` has {self.buffer.ndim} dimensions, realized in "
                f"{len(self.bounds)} ranges",
                self.span,
            )


@node("tir.SeqStmt")
class SeqStmt(Stmt):
    """Statements one after another, two or more; sequences among them are opened."""

    seq: tuple[Stmt, ...]

    def __post_init__(self) -> None:
        parts = tuple(self.seq)
        if any(type(part) is SeqStmt for part in parts):
            opened = (part.seq if isinstance(part, SeqStmt) else (part,) for part in parts)
            parts = tuple(part for inner in opened for part in inner)
        if len(parts) < 2:
            raise ArgumentError(
                f"SeqStmt needs two statements or more, found {len(parts)}", self.span,
                hint="stmt_seq makes one statement of any number",
            )  # fmt: skip
        self.seq = parts  # type: ignore[misc]

    def __getitem__(self, index: int) -> Stmt:
        return self.seq[index]

    def __len__(self) -> int:
        return len(self.seq)


@node("tir.IfThenElse")
class IfThenElse(Stmt):
    """`then_case` if `condition`, else `else_case` if there is one."""

    condition: PrimExpr
    then_case: Stmt
    else_case: Stmt | None = None

    def __post_init__(self) -> None:
        self.condition = as_condition("IfThenElse", self.condition, self.span)  # type: ignore[misc]


@node("tir.Evaluate")
class Evaluate(Stmt):
    """An expression for its effect."""

    value: PrimExpr

    def __post_init__(self) -> None:
        self.value = as_scalar(self.value)  # type: ignore[misc]


@node("tir.BufferRegion")
class BufferRegion(Node):
    """The part of `buffer` within one range a dimension."""

    is_checked: ClassVar[bool] = True

    buffer: Buffer
    region: tuple[Range, ...]

    def __post_init__(self) -> None:
        self.region = tuple(self.region)  # type: ignore[misc]
        if len(self.region) != self.buffer.ndim:
            raise ArgumentError(
                f"buffer `{self.buffer.name}` has {self.buffer.ndim} dimensions, its region "
                f"{len(self.region)}",
                self.span,
            )

    def as_expr(self) -> PrimExpr:
        """The elements as a vector, where an expression is expected. Raises `ArgumentError` if
        they are not neighbours in the last dimension, or their number is not known."""
        for r in self.region[:-1]:
            if not (isinstance(r.extent, IntImm) and r.extent.value == 1):
                raise ArgumentError(
                    f"a region of `{self.buffer.name}` is a vector in its last dimension only",
                    hint="index the other dimensions, as in `A[i, 0:4]`",
                )
        return BufferLoad(self.buffer, tuple(_lanes(r) for r in self.region))


def _lanes(r: Range) -> PrimExpr:
    if multiple_of_vscale(r.extent) is not None:
        return Ramp(r.min, IntImm(r.min.dtype, 1), r.extent)
    if not isinstance(r.extent, IntImm):
        raise ArgumentError(f"a vector needs a constant number of lanes, found {r.extent}")
    return r.min if r.extent.value == 1 else Ramp(r.min, IntImm(r.min.dtype, 1), r.extent.value)


@node("tir.MatchBufferRegion")
class MatchBufferRegion(Node):
    """`buffer` declared as a view of the region `source`."""

    is_checked: ClassVar[bool] = True

    buffer: Buffer = definition()
    source: BufferRegion

    def __post_init__(self) -> None:
        view, whole, region = self.buffer, self.source.buffer, self.source.region
        for what, own, other in (
            ("dtype", view.dtype, whole.dtype),
            ("alignment", 0, whole.data_alignment % view.data_alignment),
        ):
            if own != other:
                raise ArgumentError(
                    f"`{view.name}` is a view of `{whole.name}` with another {what}", self.span,
                    note=_attributes(view), hint=_attributes(whole),
                )  # fmt: skip
        more = len(region) - view.ndim
        if more < 0 or any(
            _differs(r.extent, d)
            for r, d in zip(region, (*(IntImm("int32", 1),) * more, *view.shape), strict=True)
        ):
            extents = [r.extent for r in region]
            raise ArgumentError(
                f"`{view.name}` of shape {list(view.shape)} is a view of a region of `{whole.name}`"
                f" of shape {extents}",
                self.span,
            )


def _attributes(buffer: Buffer) -> str:
    return (
        f"`{buffer.name}` is {buffer.dtype} in {buffer.scope()} memory, aligned to "
        f"{buffer.data_alignment} bytes"
    )


def _differs(a: PrimExpr, b: PrimExpr) -> bool:
    """Whether the two are known to be different sizes."""
    apart = simplified(a - b)
    return isinstance(apart, IntImm) and apart.value != 0


BUFFER_DIM_ALIGN = "buffer_dim_align"
"""The annotation of a block that asks for strides: (which of its writes, dimension, factor, offset)
of each."""


@node("tir.Block")
class Block(Stmt):
    """A computation over `iter_vars` with its reads and writes declared: the unit of scheduling.

    `init`, if any, runs when all reduction axes are at their beginning. `alloc_buffers` live
    within the block; `match_buffers` are views of other buffers' regions.
    """

    iter_vars: tuple[IterVar, ...] = binders()
    reads: tuple[BufferRegion, ...]
    writes: tuple[BufferRegion, ...]
    name_hint: str = ignored()
    body: Stmt
    init: Stmt | None = None
    alloc_buffers: tuple[Buffer, ...] = definition(default=())
    match_buffers: tuple[MatchBufferRegion, ...] = binders(default=())
    annotations: dict[str, Any] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for name in ("iter_vars", "reads", "writes", "alloc_buffers", "match_buffers"):
            setattr(self, name, tuple(getattr(self, name) or ()))
        self.annotations = _annotations(self)  # type: ignore[misc]
        if not isinstance(self.name_hint, str):
            raise ArgumentTypeError(
                f"`name_hint` of tir.Block is a string, found {self.name_hint!r}", self.span
            )


@node("tir.BlockRealize")
class BlockRealize(Stmt):
    """`block` run with its axes at `iter_values`, where `predicate` holds."""

    iter_values: tuple[PrimExpr, ...]
    predicate: PrimExpr
    block: Block

    def __post_init__(self) -> None:
        if not isinstance(self.iter_values, (tuple, list)):
            raise ArgumentTypeError(
                f"`iter_values` of tir.BlockRealize is a list, found {self.iter_values!r}",
                self.span,
            )
        values = zip(self.iter_values, self.block.iter_vars, strict=False)
        given = len(self.iter_values)
        self.iter_values = tuple(as_scalar(v, i.var.dtype) for v, i in values)  # type: ignore[misc]
        self.predicate = as_scalar(self.predicate)  # type: ignore[misc]
        _require_bool(f"block `{self.block.name_hint}`", self.predicate, self.span)
        if given != len(self.block.iter_vars):
            raise ArgumentError(
                f"block `{self.block.name_hint}` has {len(self.block.iter_vars)} axes, "
                f"realized with {given} values",
                self.span,
            )


def stmt_seq(*stmts: Stmt | PrimExpr | Sequence[Stmt | PrimExpr]) -> Stmt:
    """The statements as one; expressions are evaluated, sequences within are opened, empty ones
    dropped."""
    flat: list[Stmt] = []
    pending: list[Any] = list(stmts)
    while pending:
        first = pending.pop(0)
        if isinstance(first, SeqStmt):
            pending[:0] = first.seq
        elif isinstance(first, (tuple, list)):
            pending[:0] = first
        elif isinstance(first, PrimExpr):
            flat.append(Evaluate(first))
        elif not _is_nothing(first):
            flat.append(first)
    if not flat:
        return Evaluate(IntImm("int32", 0))
    return flat[0] if len(flat) == 1 else SeqStmt(tuple(flat))


def stmt_list(stmt: Stmt) -> list[Stmt]:
    """The statements that `stmt` runs one after the other: itself, or a sequence's."""
    if not isinstance(stmt, SeqStmt):
        return [stmt]
    return [inner for part in stmt.seq for inner in stmt_list(part)]


def _is_nothing(stmt: Stmt) -> bool:
    return isinstance(stmt, Evaluate) and isinstance(stmt.value, IntImm)


def full_region(buffer: Buffer) -> BufferRegion:
    """The whole of `buffer`."""
    return BufferRegion(
        buffer, tuple(Range(IntImm(extent.dtype, 0), extent) for extent in buffer.shape)
    )


def element_region(buffer: Buffer, indices: Sequence[PrimExpr]) -> BufferRegion:
    """The one element of `buffer` at scalar `indices`."""
    for index in indices:
        if dtype_of(index.dtype).lanes != 1:
            raise ArgumentError(f"a region needs scalar indices, found {index.dtype}")
    return BufferRegion(buffer, tuple(Range(i, IntImm(i.dtype, 1)) for i in indices))


OPERATORS.update(store=BufferStore, region=BufferRegion)
