"""The constructors of the expression language: what makes tensors and axes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..ir.expr import IntImm, PrimExpr, Range, as_scalar
from ..ir.functor import post_order_visit
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError, ArgumentTypeError
from ..tir import op
from ..tir.arith import simplify
from ..tir.buffer import Buffer, decl_buffer
from ..tir.expr import BufferLoad, IterVar, Reduce, SizeVar, Var
from ..tir.function import PrimFunc
from ..tir.stmt import BufferStore, Evaluate, Stmt
from .tag import current_tag
from .tensor import (
    ComputeOp,
    ExternOp,
    PlaceholderOp,
    ScanOp,
    Tensor,
    TensorSlice,
    as_index,
    as_shape,
)


def placeholder(shape: Any, dtype: str | None = None, name: str = "placeholder") -> Tensor:
    """A tensor that is given: an argument."""
    _check_names("placeholder", name)
    kind = dtype_of("float32" if dtype is None else dtype).name
    return PlaceholderOp(name, "", {}, as_shape(shape), kind).output(0)


def _check_names(which: str, name: object, tag: object = "", attrs: object = None) -> None:
    for what, value in (("name", name), ("tag", tag)):
        if not isinstance(value, str):
            raise ArgumentTypeError(f"`{what}` of {which} is a string, found {value!r}")
    if attrs is not None and not isinstance(attrs, Mapping):
        raise ArgumentTypeError(f"`attrs` of {which} is a dict, found {attrs!r}")


def _check_function(which: str, function: object) -> None:
    if not callable(function):
        raise ArgumentTypeError(f"{which} needs a function, found {function!r}")


def var(name: str = "tindex", dtype: str = "int32", span: Any = None) -> Var:
    """A new variable."""
    return Var(name, dtype, span=span)


def size_var(name: str = "size", dtype: str = "int32", span: Any = None) -> SizeVar:
    """A new variable that is never negative, such as a dimension."""
    return SizeVar(name, dtype, span=span)


def const(value: Any, dtype: str = "int32", span: Any = None) -> PrimExpr:
    """A constant of `dtype`."""
    return op.const(value, dtype, span)


def reduce_axis(dom: Any, name: str = "rv", thread_tag: str = "", span: Any = None) -> IterVar:
    """A new axis to reduce over: `dom` is `(begin, end)` or a `Range`."""
    return IterVar(_domain(dom), name, IterVar.CommReduce, thread_tag, span=span)  # type: ignore[arg-type]


def thread_axis(dom: Any = None, tag: str = "", name: str = "", span: Any = None) -> IterVar:
    """A new axis over the threads of `tag`, such as `threadIdx.x`."""
    if isinstance(dom, str):
        dom, tag = None, dom
    if not tag:
        raise ArgumentError("thread_axis needs a tag, such as threadIdx.x")
    domain = None if dom is None else _domain(dom)
    return IterVar(domain, name or tag, IterVar.ThreadIndex, tag, span=span)  # type: ignore[arg-type]


def _domain(dom: Any) -> Range:
    if isinstance(dom, Range):
        return dom
    if isinstance(dom, (tuple, list)) and len(dom) == 2:
        lo, end = dom
        kind = next((d.dtype for d in (end, lo) if isinstance(d, PrimExpr)), None)
        lo, end = as_index(lo, kind), as_index(end, kind)
        return Range(lo, op.subtract(end, lo))
    if isinstance(dom, (int, PrimExpr)):
        extent = as_index(dom)
        return Range(IntImm(extent.dtype, 0), extent)
    raise ArgumentError(f"the domain of an axis is (begin, end) or a Range, found {dom!r}")


_NAMES: dict[Any, tuple[tuple[str, ...], str | None, int]] = {}


def _signature(function: Callable[..., Any]) -> tuple[tuple[str, ...], str | None, int]:
    """The names of the positional parameters, of `*rest`, and how many must be given."""
    key = getattr(function, "__code__", None)
    known = _NAMES.get(key) if key is not None else None
    if known is None:
        parameters = inspect.signature(function).parameters.values()
        positional = [
            p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        required = sum(1 for p in positional if p.default is p.empty)
        known = (tuple(p.name for p in positional), rest, required)
        if key is not None and not inspect.ismethod(function):
            _NAMES[key] = known
    return known


def _axis_names(
    function: Callable[..., Any], ndim: int, varargs_names: Sequence[str] | None
) -> list[str]:
    names, rest, required = _signature(function)
    if ndim < required or (rest is None and ndim > len(names)):
        expected = f"at least {required}" if rest else str(len(names))
        raise ArgumentError(
            f"compute over {ndim} dimensions, but its function takes {expected} indices"
        )
    given = list(names[:ndim])
    count = ndim - len(given)
    if varargs_names is not None:
        if len(varargs_names) != count:
            raise ArgumentError(f"{len(varargs_names)} names are given for {count} axes")
        return given + list(varargs_names)
    return given + [f"{rest}{i}" for i in range(count)]


def compute(
    shape: Any,
    fcompute: Callable[..., Any],
    name: str = "compute",
    tag: str = "",
    attrs: dict[str, Any] | None = None,
    varargs_names: Sequence[str] | None = None,
) -> Any:
    """The tensor whose element at `i, j, ...` is `fcompute(i, j, ...)`; a list of tensors if that
    gives several values. The axes are named as the parameters of `fcompute`."""
    _check_names("compute", name, tag, attrs)
    _check_function(f"compute `{name}`", fcompute)
    dims = as_shape(shape)
    axes = tuple(
        IterVar(Range(IntImm(extent.dtype, 0), extent), Var(axis, extent.dtype))
        for axis, extent in zip(_axis_names(fcompute, len(dims), varargs_names), dims, strict=True)
    )
    result = fcompute(*[axis.var for axis in axes])
    several = isinstance(result, (tuple, list))
    body = tuple(_as_value(value, name) for value in (result if several else (result,)))
    _check_reductions(body, name)
    made = ComputeOp(name, current_tag(tag), dict(attrs or {}), axes, body)
    outputs = [made.output(index) for index in range(len(body))]
    return outputs if several else outputs[0]


def _as_value(value: Any, name: str) -> PrimExpr:
    if isinstance(value, IterVar):
        return value.var
    if isinstance(value, Tensor) and not value.shape:
        return value()
    if isinstance(value, (Tensor, TensorSlice)):
        raise ArgumentError(f"compute `{name}` gives a tensor where a scalar is expected")
    return as_scalar(value)


def _check_reductions(body: tuple[PrimExpr, ...], name: str) -> None:
    for value in body:
        parts = (value.source, value.init) if isinstance(value, Reduce) else (value,)
        post_order_visit(parts, lambda part: _refuse_reduction(part, name))
    first = body[0] if body else None
    if not any(isinstance(value, Reduce) for value in body):
        return
    for value in body:
        if not isinstance(value, Reduce) or not isinstance(first, Reduce):
            raise ArgumentError(f"compute `{name}` mixes a reduction with other values")
        if value.combiner is not first.combiner or not _same_axes(value, first):
            raise ArgumentError(f"compute `{name}` mixes reductions by different axes or combiners")


def _same_axes(a: Reduce, b: Reduce) -> bool:
    return len(a.axis) == len(b.axis) and all(x is y for x, y in zip(a.axis, b.axis, strict=True))


def _refuse_reduction(part: object, name: str) -> None:
    if isinstance(part, Reduce):
        raise ArgumentError(
            f"compute `{name}`: a reduction stands within another expression",
            part.span,
            hint="give the reduction a te.compute of its own",
        )


def extern(
    shape: Any,
    inputs: Sequence[Tensor],
    fcompute: Callable[[list[Buffer], list[Buffer]], Any],
    name: str = "extern",
    dtype: Any = None,
    in_buffers: Any = None,
    out_buffers: Any = None,
    tag: str = "",
    attrs: dict[str, Any] | None = None,
) -> Any:
    """The tensor of `shape`, or a list of those of several shapes, filled by the statement
    `fcompute(input_buffers, output_buffers)`; an expression is evaluated for its effect."""
    _check_names("extern", name, tag, attrs)
    _check_function(f"extern `{name}`", fcompute)
    for value in inputs:
        if not isinstance(value, Tensor):
            raise ArgumentError(f"extern `{name}` expects tensors, found {type(value).__name__}")
    several = isinstance(shape, Sequence) and any(isinstance(s, Sequence) for s in shape)
    shapes = [as_shape(s) for s in shape] if several else [as_shape(shape)]
    reads = list(_as_list(in_buffers)) or [decl_buffer(t.shape, t.dtype, t.name) for t in inputs]
    writes = list(_as_list(out_buffers)) or [
        decl_buffer(dims, kind, name) for dims, kind in _outputs(shapes, dtype, inputs, name)
    ]
    body = fcompute(reads, writes)
    if isinstance(body, PrimExpr):
        body = Evaluate(body)
    if not isinstance(body, Stmt):
        raise ArgumentError(f"extern `{name}` gives {type(body).__name__}, expected a statement")
    made = ExternOp(
        name, current_tag(tag), dict(attrs or {}), tuple(inputs), tuple(reads), tuple(writes), body
    )
    outputs = [made.output(index) for index in range(len(writes))]
    return outputs if len(outputs) > 1 else outputs[0]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (tuple, list)) else [value]


def _outputs(
    shapes: list[tuple[PrimExpr, ...]], dtype: Any, inputs: Sequence[Tensor], name: str
) -> list[tuple[tuple[PrimExpr, ...], str]]:
    if dtype is None:
        kinds = {t.dtype for t in inputs}
        if len(kinds) != 1:
            raise ArgumentError(f"extern `{name}` needs the dtype of its outputs")
        dtype = kinds.pop()
    dtypes = [dtype] * len(shapes) if isinstance(dtype, str) else list(dtype)
    if len(dtypes) != len(shapes):
        raise ArgumentError(f"extern `{name}` has {len(shapes)} outputs and {len(dtypes)} dtypes")
    return list(zip(shapes, dtypes, strict=True))


def extern_primfunc(input_tensors: Sequence[Tensor], primfunc: PrimFunc, **options: Any) -> Any:
    """The output of `primfunc`; a list where it has several. Array parameters that it reads are
    bound to `input_tensors`, in order; those that it only writes are the outputs (without such,
    the last that it writes). `options` are `name`, `tag` and `attrs` of `te.extern`."""
    if not isinstance(primfunc, PrimFunc):
        raise ArgumentTypeError(f"extern_primfunc needs a PrimFunc, found {primfunc!r}")
    inputs, outputs = _roles(primfunc)
    if len(inputs) != len(input_tensors):
        raise ArgumentError(
            f"the function reads {len(inputs)} array parameters, given {len(input_tensors)} inputs",
            note=f"it reads {', '.join(b.name for b in inputs) or 'none'}",
        )
    for tensor, buffer in zip(input_tensors, inputs, strict=True):
        if tensor.ndim != buffer.ndim or tensor.dtype != buffer.dtype:
            raise ArgumentError(
                f"`{tensor.name}` ({tensor.ndim} dimensions of {tensor.dtype}) does not fit "
                f"parameter `{buffer.name}` ({buffer.ndim} dimensions of {buffer.dtype})"
            )
        axis = _other_extent(tensor, buffer)
        if axis is not None:
            raise ArgumentError(
                f"dimension {axis} of `{tensor.name}` is {tensor.shape[axis]}, "
                f"of parameter `{buffer.name}` {buffer.shape[axis]}"
            )
    return extern(
        [b.shape for b in outputs],
        input_tensors,
        lambda ins, outs: primfunc.body,
        dtype=[b.dtype for b in outputs],
        in_buffers=inputs,
        out_buffers=outputs,
        **options,
    )


def _roles(primfunc: PrimFunc) -> tuple[list[Buffer], list[Buffer]]:
    """The array parameters that are inputs, and those that are outputs."""
    read: set[int] = set()
    written: set[int] = set()

    def look(part: object) -> None:
        if isinstance(part, BufferLoad):
            read.add(id(part.buffer.data))
        elif isinstance(part, BufferStore):
            written.add(id(part.buffer.data))

    post_order_visit(primfunc.body, look)
    outputs = [b for b in primfunc.buffers() if id(b.data) in written - read]
    if not outputs:
        outputs = [b for b in primfunc.buffers() if id(b.data) in written][-1:]
    if not outputs:
        raise ArgumentError("the function writes to none of its array parameters")
    inputs = [b for b in primfunc.buffers() if id(b.data) in read and b not in outputs]
    return inputs, outputs


def _check_states(name: str, *given: tuple[Tensor, ...]) -> None:
    """Refuses what is no tensor of one dimension at least."""
    for parts in zip(*given, strict=True):
        for what, part in zip(("init", "update", "state_placeholder"), parts, strict=True):
            if not isinstance(part, Tensor):
                raise ArgumentTypeError(f"`{what}` of scan `{name}` is a tensor, found {part!r}")
            if not part.ndim:
                raise ArgumentError(f"`{what}` of scan `{name}` has no dimension to go along")


def scan(
    init: Any,
    update: Any,
    state_placeholder: Any,
    inputs: Any = None,
    name: str = "scan",
    tag: str = "",
    attrs: dict[str, Any] | None = None,
) -> Any:
    """The states over all steps of a recurrence along the first dimension (see `ScanOp`)."""
    starts, steps, states = (tuple(_as_list(x)) for x in (init, update, state_placeholder))
    if not len(starts) == len(steps) == len(states) or not starts:
        raise ArgumentError("scan needs as many initial values as updates and states")
    _check_names("scan", name, tag, attrs)
    _check_states(name, starts, steps, states)
    for start, step, state in zip(starts, steps, states, strict=True):
        _require_recurrence(start, step, state)
    first, whole = starts[0].shape[0], states[0].shape[0]
    axis = IterVar(Range(first, op.subtract(whole, first)), f"{name}.idx", IterVar.Ordered)  # type: ignore[arg-type]
    made = ScanOp(
        name, current_tag(tag), dict(attrs or {}), axis, starts, steps, states,
        tuple(_as_list(inputs)),
    )  # fmt: skip
    outputs = [made.output(index) for index in range(len(steps))]
    return outputs[0] if len(outputs) == 1 else outputs


def _require_recurrence(start: Tensor, step: Tensor, state: Tensor) -> None:
    """What begins and what goes on is of the state's type and shape; a beginning may be shorter."""
    for role, part, from_axis in (("initial value", start, 1), ("update", step, 0)):
        if part.dtype != state.dtype or part.ndim != state.ndim:
            raise ArgumentError(
                f"the {role} `{part.name}` of a scan is {part.ndim} dimensions of {part.dtype}, "
                f"its state {state.ndim} of {state.dtype}"
            )
        axis = _other_extent(part, state, from_axis)
        if axis is not None:
            raise ArgumentError(
                f"dimension {axis} of the {role} `{part.name}` of a scan is {part.shape[axis]}, "
                f"of its state {state.shape[axis]}"
            )
    if start is state or step is state:
        raise ArgumentError(f"a scan begins or goes on with its state `{state.name}` itself")
    if not isinstance(state.op, PlaceholderOp):
        raise ArgumentError(
            f"the state `{state.name}` of a scan is a placeholder, found one that is computed"
        )


def _other_extent(tensor: Tensor, other: Tensor | Buffer, start: int = 0) -> int | None:
    """The first dimension from `start` whose extents are known to differ."""
    for axis in range(start, tensor.ndim):
        difference = simplify(op.subtract(tensor.shape[axis], other.shape[axis]))
        if isinstance(difference, IntImm) and difference.value:
            return axis
    return None
