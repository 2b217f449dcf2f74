"""Expressions of loop programs. A node checks its operands and derives its `dtype` when made."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from ..ir.expr import BaseExpr, FloatImm, IntImm, PrimExpr, Range, as_scalar
from ..ir.node import Node, binders, definition, node
from ..ir.op import Op, register_op
from ..ir.type import PointerType, PrimType
from ..support.dtypes import Lanes, ScalableLanes, dtype_of
from ..support.errors import ArgumentError, ArgumentTypeError
from ..support.span import Span
from .accesses import access_dtype, as_indices, check_predicate
from .enums import CallEffectKind as CallEffectKind
from .enums import IterVarType as IterVarType
from .operators import (
    EQ,
    GE,
    GT,
    LE,
    LT,
    NE,
    Add,
    And,
    BinaryOpExpr,
    Cast,
    CmpExpr,
    Div,
    FloorDiv,
    FloorMod,
    Max,
    Min,
    Mod,
    Mul,
    Not,
    Or,
    Select,
    SizeVar,
    StringImm,
    Sub,
    Var,
)  # fmt: skip

if TYPE_CHECKING:
    from .buffer import Buffer

__all__ = [
    "EQ", "GE", "GT", "LE", "LT", "NE", "Add", "And", "BinaryOpExpr", "Broadcast", "BufferLoad",
    "Call", "Cast", "CmpExpr", "CommReducer", "Div", "FloatImm", "FloorDiv", "FloorMod", "IntImm",
    "IterVar", "Let", "Max", "Min", "Mod", "Mul", "Not", "Or", "PrimExpr", "ProducerLoad",
    "Ramp", "Range", "Reduce", "Select", "Shuffle", "SizeVar", "StringImm", "Sub", "Var",
]  # fmt: skip


@node("tir.BufferLoad")
class BufferLoad(PrimExpr):
    """The element of `buffer` at `indices`; a vector if an index is one.

    `predicate`, a vector of `bool`, masks lanes: those not loaded are undefined.
    """

    buffer: Buffer
    indices: tuple[PrimExpr, ...]
    predicate: PrimExpr | None = None

    def __post_init__(self) -> None:
        self.indices = as_indices(self.indices)  # type: ignore[misc]
        try:
            self.dtype = access_dtype(self.buffer, self.indices)
        except AttributeError:
            raise ArgumentTypeError(
                f"a load needs a buffer, found {self.buffer!r}", self.span
            ) from None
        if self.predicate is not None:
            check_predicate(self.predicate, self.dtype, self.span)


@node("tir.ProducerLoad")
class ProducerLoad(PrimExpr):
    """An element of a tensor of `te` that has no buffer yet."""

    producer: Any
    indices: tuple[PrimExpr, ...]

    def __post_init__(self) -> None:
        self.indices = as_indices(self.indices)  # type: ignore[misc]
        if not hasattr(self.producer, "dtype"):
            raise ArgumentTypeError(
                f"`producer` of tir.ProducerLoad is a tensor, found {self.producer!r}", self.span
            )
        self.dtype = self.producer.dtype


def _counted(lanes: Any) -> tuple[Any, int]:
    """Lanes as a node holds them, and as a data type does: `vscale() * 4` and `xvscalex4`.

    Raises `ArgumentError` for an expression that is no constant and not `vscale()` several times.
    """
    if isinstance(lanes, ScalableLanes):
        return _scalable(lanes), lanes
    if not isinstance(lanes, PrimExpr) or isinstance(lanes, IntImm):
        if not hasattr(lanes, "__index__") or int(lanes) < 2:
            raise ArgumentError(f"a vector of {lanes!r} lanes", hint="write a number of 2 or more")
        count = Lanes(lanes)
        return count, count
    multiple = multiple_of_vscale(lanes)
    if multiple is None or multiple < 2:
        raise ArgumentError(
            f"a vector of {lanes} lanes",
            hint="a constant, or vscale() times a constant of 2 or more",
        )
    return _scalable(multiple), ScalableLanes(multiple)


def _scalable(multiple: int) -> PrimExpr:
    vscale = Call("int32", "tir.vscale", ())
    return vscale if int(multiple) == 1 else Mul(vscale, IntImm("int32", int(multiple)))


def multiple_of_vscale(lanes: PrimExpr) -> int | None:
    """`n` if `lanes` is `vscale() * n`, else None."""
    if isinstance(lanes, Call) and getattr(lanes.op, "name", "") == "tir.vscale":
        return 1
    if isinstance(lanes, Mul):
        for one, other in ((lanes.a, lanes.b), (lanes.b, lanes.a)):
            inner = multiple_of_vscale(one)
            if isinstance(other, IntImm) and inner is not None:
                return inner * other.value
    return None


@node("tir.Ramp")
class Ramp(PrimExpr):
    """The vector `base, base + stride, ...` of `lanes` elements: a number, or a multiple of
    `vscale()` for a scalable vector."""

    is_checked: ClassVar[bool] = True
    base: PrimExpr
    stride: PrimExpr
    lanes: Any

    def __post_init__(self) -> None:
        base = as_scalar(self.base)
        stride = as_scalar(self.stride, dtype_of(base.dtype).element)
        if base.dtype != stride.dtype:
            stride = Cast(base.dtype, stride)
        self.lanes, lanes = _counted(self.lanes)  # type: ignore[misc]
        self.base, self.stride = base, stride  # type: ignore[misc]
        self.dtype = _widened("Ramp", "base", base, lanes, self.span)


@node("tir.Broadcast")
class Broadcast(PrimExpr):
    """`value` in each of `lanes` lanes: a number, or a multiple of `vscale()`."""

    is_checked: ClassVar[bool] = True
    value: PrimExpr
    lanes: Any

    def __post_init__(self) -> None:
        self.lanes, lanes = _counted(self.lanes)  # type: ignore[misc]
        self.value = as_scalar(self.value)  # type: ignore[misc]
        self.dtype = _widened("Broadcast", "value", self.value, lanes, self.span)


def _widened(which: str, what: str, of: PrimExpr, lanes: Any, span: Span | None) -> str:
    """The type of a vector made of the number `of`. Raises `ArgumentError` if it is a vector."""
    info = dtype_of(of.dtype)
    if info.lanes != 1:
        raise ArgumentError(f"the {what} of {which} is a number, found {of} of {of.dtype}", span)
    return info.with_lanes(lanes)


@node("tir.Shuffle")
class Shuffle(PrimExpr):
    """The lanes of `vectors`, strung together, picked by the constant `indices`."""

    is_checked: ClassVar[bool] = True
    vectors: tuple[PrimExpr, ...]
    indices: tuple[PrimExpr, ...]

    def __post_init__(self) -> None:
        self.vectors = as_indices(self.vectors)  # type: ignore[misc]
        self.indices = as_indices(self.indices)  # type: ignore[misc]
        kinds = {dtype_of(v.dtype).element for v in self.vectors}
        if len(kinds) != 1:
            raise ArgumentError(
                f"Shuffle needs vectors of one element type, found {sorted(kinds) or 'none'}",
                self.span,
            )
        if not self.indices:
            raise ArgumentError("Shuffle needs at least one index, found none", self.span)
        lanes = sum(dtype_of(v.dtype).lanes for v in self.vectors)
        for index in self.indices:
            if isinstance(index, IntImm) and not 0 <= index.value < lanes:
                raise ArgumentError(
                    f"Shuffle picks lane {index.value} of {lanes}", self.span,
                    hint="lanes count from 0, through all vectors",
                )  # fmt: skip
        self.dtype = dtype_of(kinds.pop()).with_lanes(len(self.indices))


@node("tir.Call")
class Call(PrimExpr):
    """A call of an operator (by name or `Op`) or of a global function, giving a `dtype`."""

    dtype: str
    op: Any
    args: tuple[BaseExpr, ...]
    annotations: dict[str, Any] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.op, (str, BaseExpr)):
            raise ArgumentTypeError(
                f"a call is of an operator or a global function, found {self.op!r}", self.span
            )
        dtype_of(self.dtype)
        if not isinstance(self.args, (tuple, list)):
            raise ArgumentTypeError(f"`args` of tir.Call is a list, found {self.args!r}", self.span)
        if isinstance(self.op, str):
            name = self.op if "." in self.op else f"tir.{self.op}"
            self.op = Op.get(name)  # type: ignore[misc]
        self.args = tuple(  # type: ignore[misc]
            arg if isinstance(arg, BaseExpr)
            else StringImm(arg) if isinstance(arg, str) else as_scalar(arg)
            for arg in self.args
        )  # fmt: skip


@node("tir.Let")
class Let(PrimExpr):
    """`body` with `var` standing for `value`."""

    is_checked: ClassVar[bool] = True
    var: Var = definition()
    value: PrimExpr
    body: PrimExpr

    def __post_init__(self) -> None:
        self.value = as_scalar(self.value, self.var.dtype)  # type: ignore[misc]
        self.body = as_scalar(self.body)  # type: ignore[misc]
        if self.value.dtype != self.var.dtype:
            raise ArgumentError(
                f"`{self.var.name}` of {self.var.dtype} stands for a value of {self.value.dtype}",
                self.span, hint="convert one with astype",
            )  # fmt: skip
        self.dtype = self.body.dtype


_AXIS_KINDS = frozenset(IterVarType)


@node("tir.IterVar")
class IterVar(Node):
    """`var` over `dom`: a data-parallel (`DataPar`), reduction (`CommReduce`) or other axis.

    It may be used as the expression `var` in arithmetic.
    """

    dom: Range | None
    var: Var = definition()
    iter_type: IterVarType = IterVarType.DataPar
    thread_tag: str = ""

    DataPar = IterVarType.DataPar
    ThreadIndex = IterVarType.ThreadIndex
    CommReduce = IterVarType.CommReduce
    Ordered = IterVarType.Ordered
    Opaque = IterVarType.Opaque
    DimInfo = IterVarType.Opaque
    Unrolled = IterVarType.Unrolled
    Vectorized = IterVarType.Vectorized
    Parallelized = IterVarType.Parallelized
    Tensorized = IterVarType.Tensorized

    def __post_init__(self) -> None:
        dom: Any = self.dom
        if isinstance(dom, (tuple, list)) and len(dom) == 2:
            lo, end = as_scalar(dom[0]), as_scalar(dom[1])
            dom = Range(lo, end - lo)
        if not isinstance(dom, (Range, type(None))):
            raise ArgumentTypeError(
                f"the domain of an axis is a range or a pair of ends, found {dom!r}", self.span
            )
        var: Any = self.var
        if isinstance(var, str):
            var = Var(var, dom.extent.dtype if dom is not None else "int32")
        if not isinstance(var, Var):
            raise ArgumentTypeError(f"an axis needs a variable or its name, found {var!r}")
        if self.iter_type not in _AXIS_KINDS:
            raise ArgumentTypeError(
                f"no kind of axis is {self.iter_type!r}",
                self.span,
                hint=f"IterVar.{', '.join(IterVarType.__members__)}",
            )
        if dom is not None:
            self._check_types(dom, var)
        self.dom, self.var = dom, var  # type: ignore[misc]
        self.iter_type = IterVarType(self.iter_type)  # type: ignore[misc]

    def _check_types(self, dom: Range, var: Var) -> None:
        kind = dom.extent.dtype
        if not (dtype_of(kind).is_integral and dtype_of(kind).lanes == 1):
            raise ArgumentError(
                f"the domain of axis `{var.name}` is of integers, found {kind}", self.span
            )
        if kind != var.dtype and not isinstance(dom.extent, IntImm):
            raise ArgumentError(
                f"the domain of axis `{var.name}` of {var.dtype} is of {kind}", self.span,
                hint="give both the same type",
            )  # fmt: skip
        if not dtype_of(var.dtype).is_integral:
            raise ArgumentError(f"axis `{var.name}` is an integer, found {var.dtype}", self.span)

    def as_expr(self) -> PrimExpr:
        """The variable, where an expression is expected."""
        return self.var


def _delegated(name: str) -> Any:
    method = getattr(PrimExpr, name)

    def operate(self: IterVar, *others: object) -> PrimExpr:
        made: PrimExpr = method(self.var, *others)
        return made

    operate.__name__ = name
    operate.__doc__ = f"`var.{name}`."
    return operate


for _name in (
    "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv",
    "mod", "rmod", "neg", "lshift", "rshift", "and", "or", "xor", "lt", "le", "gt", "ge", "eq",
    "ne",
):  # fmt: skip
    setattr(IterVar, f"__{_name}__", _delegated(f"__{_name}__"))
IterVar.__hash__ = Node.__hash__  # type: ignore[method-assign]


@node("tir.CommReducer")
class CommReducer(Node):
    """A commutative reduction: `result` from `lhs` and `rhs`, starting at `identity_element`."""

    is_checked: ClassVar[bool] = True
    lhs: tuple[Var, ...] = definition()
    rhs: tuple[Var, ...] = definition()
    result: tuple[PrimExpr, ...]
    identity_element: tuple[PrimExpr, ...]

    def __post_init__(self) -> None:
        for name in ("lhs", "rhs", "result", "identity_element"):
            setattr(self, name, tuple(getattr(self, name)))
            if len(getattr(self, name)) != len(self.lhs):
                raise ArgumentError(
                    f"a reducer of {len(self.lhs)} values has {len(getattr(self, name))} in "
                    f"`{name}`",
                    self.span,
                )


@node("tir.Reduce")
class Reduce(PrimExpr):
    """The `value_index`-th result of reducing `source` over `axis` where `condition` holds.

    `init`, if not empty, replaces the identity elements.
    """

    is_checked: ClassVar[bool] = True
    combiner: CommReducer | None
    source: tuple[PrimExpr, ...]
    axis: tuple[IterVar, ...] = binders()
    condition: PrimExpr
    value_index: int
    init: tuple[PrimExpr, ...] = ()

    def __post_init__(self) -> None:
        self.source = as_indices(self.source)  # type: ignore[misc]
        self.axis, self.init = tuple(self.axis), tuple(self.init or ())  # type: ignore[misc]
        self.condition = as_scalar(True if self.condition is None else self.condition)  # type: ignore[misc]
        self._check()
        self.dtype = self.source[self.value_index].dtype

    def _check(self) -> None:
        for axis in self.axis:
            if axis.iter_type != IterVarType.CommReduce:
                raise ArgumentError(
                    f"a reduction over `{axis.var.name}`, which is not a reduction axis",
                    self.span,
                    hint="make it with te.reduce_axis",
                )
        if self.init and len(self.init) != len(self.source):
            raise ArgumentError(
                f"a reduction of {len(self.source)} values has {len(self.init)} in `init`",
                self.span,
            )
        if not 0 <= self.value_index < len(self.source):
            raise ArgumentError(
                f"a reduction of {len(self.source)} values has none at {self.value_index}",
                self.span,
            )

    def combining(self) -> CommReducer:
        """The combiner. Raises `ArgumentError` if there is none: such a node is no computation."""
        if self.combiner is None:
            raise ArgumentError("a reduction without a combiner computes nothing", self.span)
        return self.combiner


def pointer(dtype: str, scope: str = "global") -> PointerType:
    """The type of the address of elements of `dtype` in memory of `scope`."""
    return PointerType(PrimType(dtype), scope)


for _name in ("if_then_else", "reinterpret", "likely", "ret"):
    register_op(f"tir.{_name}")


EqualOp, NotEqualOp = EQ, NE
"""What `a == b` and `a != b` give, by TVM's names."""

ExprOp = PrimExpr
"""TVM's name of what has Python's operators: every scalar expression has."""
