"""Tensors of the expression language and the operations that produce them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn

from ..ir.expr import IntImm, PrimExpr, as_scalar
from ..ir.functor import Visitor, on
from ..ir.node import Node, derived, ignored, node
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from ..tir.buffer import Buffer
from ..tir.expr import IterVar, ProducerLoad, Reduce
from ..tir.stmt import Stmt
from .reducer import as_tuple

TENSOR_OPERATORS: dict[str, Callable[..., Tensor]] = {}
"""What `A + B` builds for tensors, by the operator's name; filled by `topi`."""


def as_index(value: object, dtype: str | None = None) -> PrimExpr:
    """`value` as an index or dimension: an expression, an axis, or a plain integer.

    Raises `ArgumentError` if it is not an integer.
    """
    if isinstance(value, IterVar):
        return value.var
    made = as_scalar(value, dtype if isinstance(value, int) else None)
    if not dtype_of(made.dtype).is_integral:
        raise ArgumentError(f"an index must be an integer, found {made.dtype}: {made}")
    return made


def as_shape(shape: object) -> tuple[PrimExpr, ...]:
    """`shape` as a tuple of expressions; plain integers follow the type of the others.

    Raises `ArgumentError` for a dimension that is no integer, or one below zero.
    """
    dims = as_tuple(shape)
    kinds = {d.dtype for d in dims if isinstance(d, PrimExpr)}
    dtype = "int64" if "int64" in kinds else next(iter(kinds), None)
    made = tuple(as_index(d, dtype) for d in dims)
    for dim in made:
        if isinstance(dim, IntImm) and dim.value < 0:
            raise ArgumentError(
                f"a dimension is an integer of 0 or more, found {dim.value}",
                hint='write a variable where it is not known, as in te.var("n")',
            )
    return made


def _operate(name: str, *args: object) -> Tensor:
    if name not in TENSOR_OPERATORS:
        raise ArgumentError(f"`{name}` of tensors needs `tilewright.topi` to be imported")
    return TENSOR_OPERATORS[name](*args)


@node("te.Tensor", variable=True)
class Tensor(Node):
    """The `value_index`-th result of `op`: an array of `shape` elements of `dtype`."""

    shape: tuple[PrimExpr, ...]
    dtype: str
    op: Operation = ignored()
    value_index: int = 0

    __iter__: ClassVar[None] = None
    """Python would try the indices 0, 1, 2... without end."""

    @property
    def name(self) -> str:
        """The name of its operation, numbered if that has several results."""
        return self.op.name if self.op.num_outputs == 1 else f"{self.op.name}_v{self.value_index}"

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def axis(self) -> tuple[IterVar, ...]:
        """The axes of the operation that computes it."""
        return self.op.axis

    def __repr__(self) -> str:
        return f"Tensor(shape={list(self.shape)}, op.name={self.op.name})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tensor):
            return False
        return self.op is other.op and self.value_index == other.value_index

    def __hash__(self) -> int:
        return hash((id(self.op), self.value_index))

    def __call__(self, *indices: object) -> PrimExpr:
        """The element at `indices`, one a dimension."""
        if len(indices) != len(self.shape):
            raise ArgumentError(
                f"tensor `{self.name}` has {self.ndim} dimensions, indexed with {len(indices)}"
            )
        return ProducerLoad(self, tuple([as_index(i) for i in indices]))

    def __getitem__(self, indices: Any) -> Any:
        """The element at `indices`; fewer indices than dimensions give a `TensorSlice`."""
        items = indices if isinstance(indices, tuple) else (indices,)
        return TensorSlice(self, items) if len(items) < self.ndim else self(*items)

    def __add__(self, other: object) -> Tensor:
        return _operate("add", self, other)

    def __radd__(self, other: object) -> Tensor:
        return _operate("add", other, self)

    def __sub__(self, other: object) -> Tensor:
        return _operate("subtract", self, other)

    def __rsub__(self, other: object) -> Tensor:
        return _operate("subtract", other, self)

    def __mul__(self, other: object) -> Tensor:
        return _operate("multiply", self, other)

    def __rmul__(self, other: object) -> Tensor:
        return _operate("multiply", other, self)

    def __truediv__(self, other: object) -> Tensor:
        return _operate("divide", self, other)

    def __rtruediv__(self, other: object) -> Tensor:
        return _operate("divide", other, self)

    def __floordiv__(self, other: object) -> Tensor:
        return _operate("floor_divide", self, other)

    def __rfloordiv__(self, other: object) -> Tensor:
        return _operate("floor_divide", other, self)

    def __mod__(self, other: object) -> Tensor:
        return _operate("floor_mod", self, other)

    def __rmod__(self, other: object) -> Tensor:
        return _operate("floor_mod", other, self)

    def __neg__(self) -> Tensor:
        return _operate("negative", self)

    def __lt__(self, other: object) -> Tensor:
        return _operate("less", self, other)

    def __le__(self, other: object) -> Tensor:
        return _operate("less_equal", self, other)

    def __gt__(self, other: object) -> Tensor:
        return _operate("greater", self, other)

    def __ge__(self, other: object) -> Tensor:
        return _operate("greater_equal", self, other)

    def astype(self, dtype: str) -> Tensor:
        """Every element converted to `dtype`."""
        return _operate("cast", self, dtype)


class TensorSlice:
    """A tensor with its first indices given: `A[i]`, which `[j]` makes an element."""

    __slots__ = ("indices", "tensor")
    __iter__: ClassVar[None] = None

    def __init__(self, tensor: Tensor, indices: Sequence[object]) -> None:
        self.tensor = tensor
        self.indices = tuple(indices)

    def __getitem__(self, indices: Any) -> Any:
        items = indices if isinstance(indices, tuple) else (indices,)
        whole = (*self.indices, *items)
        return self.tensor[whole]

    def _no_element(self, *_: object) -> NoReturn:
        """Python's operators have no meaning for it."""
        raise ArgumentError(
            f"tensor `{self.tensor.name}` has {self.tensor.ndim} dimensions, "
            f"indexed with {len(self.indices)}",
            hint="index it once a dimension",
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _no_element
    __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _no_element
    __lt__ = __le__ = __gt__ = __ge__ = __neg__ = astype = _no_element

    @property
    def dtype(self) -> str:
        """The data type of the elements."""
        return self.tensor.dtype


@node("te.Operation")
class Operation(Node):
    """The base of what produces tensors. `tag` classifies it; `attrs` is free."""

    name: str
    tag: str
    attrs: dict[str, Any]

    @property
    def num_outputs(self) -> int:
        """How many tensors it produces."""
        return 1

    @property
    def axis(self) -> tuple[IterVar, ...]:
        """The axes of the result."""
        return ()

    @property
    def input_tensors(self) -> tuple[Tensor, ...]:
        """The tensors that it reads, each once, in the order of their first use."""
        return ()

    def output(self, index: int) -> Tensor:
        """The `index`-th result."""
        raise NotImplementedError


@node("te.PlaceholderOp")
class PlaceholderOp(Operation):
    """A tensor that is given."""

    shape: tuple[PrimExpr, ...]
    dtype: str

    def output(self, index: int) -> Tensor:
        """The tensor."""
        return Tensor(self.shape, self.dtype, self, index)


class _Loads(Visitor):
    """Collects the tensors loaded from; no shared expression is entered twice."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, int], Tensor] = {}
        self.seen: set[int] = set()

    @on(PrimExpr)
    def expression(self, value: PrimExpr) -> None:
        if id(value) not in self.seen:
            self.seen.add(id(value))
            self.visit_children(value)

    @on(ProducerLoad)
    def load(self, value: ProducerLoad) -> None:
        tensor = value.producer
        self.found.setdefault((id(tensor.op), tensor.value_index), tensor)
        self.visit(value.indices)


@node("te.ComputeOp")
class ComputeOp(Operation):
    """One expression an output over `axis`; a reduction stands at the top of the expression."""

    axes: tuple[IterVar, ...]
    body: tuple[PrimExpr, ...]
    inputs: tuple[Tensor, ...] | None = derived(default=None)

    @property
    def num_outputs(self) -> int:
        """How many tensors it produces."""
        return len(self.body)

    @property
    def axis(self) -> tuple[IterVar, ...]:
        """The axes of the result."""
        return self.axes

    @property
    def reduce_axis(self) -> tuple[IterVar, ...]:
        """The axes that are reduced over; empty if it is no reduction."""
        first = self.body[0]
        return first.axis if isinstance(first, Reduce) else ()

    @property
    def input_tensors(self) -> tuple[Tensor, ...]:
        """The tensors that the body reads."""
        if self.inputs is None:
            loads = _Loads()
            loads.walk(self.body)
            self.inputs = tuple(loads.found.values())  # type: ignore[misc]
        return self.inputs or ()

    def output(self, index: int) -> Tensor:
        """The `index`-th result."""
        shape = tuple(a.dom.extent for a in self.axes if a.dom is not None)
        return Tensor(shape, self.body[index].dtype, self, index)


@node("te.ExternOp")
class ExternOp(Operation):
    """A statement `body` that fills `output_placeholders` from `input_placeholders`."""

    inputs: tuple[Tensor, ...]
    input_placeholders: tuple[Buffer, ...]
    output_placeholders: tuple[Buffer, ...]
    body: Stmt

    @property
    def num_outputs(self) -> int:
        """How many tensors it produces."""
        return len(self.output_placeholders)

    @property
    def input_tensors(self) -> tuple[Tensor, ...]:
        """The tensors given to it."""
        return self.inputs

    def output(self, index: int) -> Tensor:
        """The `index`-th result."""
        buffer = self.output_placeholders[index]
        return Tensor(buffer.shape, buffer.dtype, self, index)


@node("te.ScanOp")
class ScanOp(Operation):
    """A recurrence along the first dimension: `init` gives the first rows of each state,
    `update` the row at `scan_axis` from the rows before it, read through `state_placeholder`."""

    scan_axis: IterVar
    init: tuple[Tensor, ...]
    update: tuple[Tensor, ...]
    state_placeholder: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...] = ()

    @property
    def num_outputs(self) -> int:
        """How many tensors it produces."""
        return len(self.update)

    @property
    def input_tensors(self) -> tuple[Tensor, ...]:
        """The initial rows, and what the recurrence reads besides its own tensors."""
        own = {id(operation) for operation in (*self.body, *(s.op for s in self.state_placeholder))}
        read = [t for operation in self.body for t in operation.input_tensors]
        return (*self.init, *(t for t in read if id(t.op) not in own))

    @property
    def body(self) -> tuple[Operation, ...]:
        """The operations that depend on the state, each after those that it reads."""
        states = {id(s.op) for s in self.state_placeholder}
        depends: dict[int, bool] = {}
        order: list[Operation] = []

        def visit(operation: Operation) -> bool:
            known = depends.get(id(operation))
            if known is None:
                found = [visit(t.op) for t in operation.input_tensors]
                known = depends[id(operation)] = id(operation) in states or any(found)
                if known and id(operation) not in states:
                    order.append(operation)
            return known

        for tensor in self.update:
            if not visit(tensor.op):
                order.append(tensor.op)
        return tuple(order)

    def output(self, index: int) -> Tensor:
        """The `index`-th state over all steps."""
        state = self.state_placeholder[index]
        return Tensor(state.shape, state.dtype, self, index)
