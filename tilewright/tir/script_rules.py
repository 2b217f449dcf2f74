"""What printer and parser of loop programs agree on: calls by name, ranges between two ends."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable
from typing import Any

from ..ir.expr import IntImm, PrimExpr, as_scalar
from ..ir.op import Op
from ..ir.structural import structural_equal
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from . import expr as E
from . import op as tir_op
from .buffer import positive_step
from .op import simplified
from .op.declare import DTYPE_AT

_ALIASES = {"fabs": "abs", "truncdiv": "Div"}
DTYPE_AT.update(reinterpret=0, call_extern=0, call_pure_extern=0)


def named_call(name: str) -> Callable[..., Any] | None:
    """What `T.name(...)` builds for the intrinsic `tir.name`, or None if there is none.

    An operator that somebody else declared is called with its arguments; the result has the type
    of the first.
    """
    made = getattr(tir_op, _ALIASES.get(name, name), None)
    if inspect.isfunction(made):
        return made
    try:
        op = Op.get(f"tir.{name}")
    except ArgumentError:
        return None

    def build(*args: Any) -> PrimExpr:
        values = tuple(_argument(a) for a in args)
        first = next((v.dtype for v in values if isinstance(v, PrimExpr)), "int32")
        return E.Call(first, op, values)

    return build


def arguments_of(e: E.Call, name: str, text: Callable[[Any], Any], dtype: Any) -> list[Any]:
    """What stands between the parentheses of `T.name(...)`: arguments, the result's type in place.

    A type that the intrinsic takes to be so is left out.
    """
    args = [text(arg) for arg in e.args]
    at = DTYPE_AT.get(name)
    if at is not None and not _is_default(name, e.dtype):
        args.insert(at, dtype)
    return args


def _is_default(name: str, dtype: str) -> bool:
    parameters = (
        inspect.signature(getattr(tir_op, name)).parameters if hasattr(tir_op, name) else {}
    )
    return "dtype" in parameters and parameters["dtype"].default == dtype


def in_order(function: Any, args: list[Any], named: dict[str, Any]) -> Any:
    """The arguments of a call, `dtype=...` of an intrinsic in its place, left out if it has none.

    `T.call_extern("f", x, dtype="int32")` is `T.call_extern("int32", "f", x)`.
    """
    if "dtype" not in named or not str(getattr(function, "__module__", "")).startswith(_OPS):
        return args, named
    rest = {k: v for k, v in named.items() if k != "dtype"}
    names = list(inspect.signature(function).parameters)
    if "dtype" in names:
        at = names.index("dtype")
        args = [*args[:at], named["dtype"], *args[at:]]
    return args, rest


_OPS = tir_op.__name__


def _argument(value: Any) -> Any:
    return E.StringImm(value) if isinstance(value, str) else value


def rebuilds(made: Any, node: E.Call) -> bool:
    """Whether a call made anew is `node` again, of the very same arguments."""
    return (
        type(made) is E.Call
        and made.op is node.op
        and made.dtype == node.dtype
        and builtins.len(made.args) == builtins.len(node.args)
        and builtins.all(
            a is b or _same_string(a, b) for a, b in zip(made.args, node.args, strict=True)
        )
        and not node.annotations
    )


def _same_string(a: Any, b: Any) -> bool:
    return isinstance(a, E.StringImm) and isinstance(b, E.StringImm) and a.value == b.value


def extent_between(start: PrimExpr, stop: PrimExpr) -> PrimExpr:
    """How many integers lie from `start` to `stop`: `n` for `x` and `x + n`, else simplified."""
    if isinstance(start, IntImm) and start.value == 0:
        return stop
    if isinstance(stop, E.Add) and _equal(stop.a, start):
        return stop.b
    if _equal(start, stop):
        return IntImm(start.dtype, 0)
    return simplified(stop - start)


def _equal(a: PrimExpr, b: PrimExpr) -> bool:
    return a is b or (type(a) is type(b) and structural_equal(a, b))


def lanes_between(start: PrimExpr, stop: PrimExpr, step: PrimExpr) -> int | PrimExpr:
    """How many lanes `start:stop:step` has, perhaps a multiple of `vscale()`. Raises
    `ArgumentError` if that is no constant."""
    extent = extent_between(start, stop)
    lanes = extent if isinstance(step, IntImm) and step.value == 1 else None
    if lanes is None:
        lanes = simplified((extent + step - IntImm(step.dtype, 1)) // step)
    if not isinstance(lanes, IntImm):
        lanes = simplified(lanes)
    if E.multiple_of_vscale(lanes) is not None:
        return lanes
    if not isinstance(lanes, IntImm):
        raise ArgumentError(f"a vector needs a constant number of lanes, found {lanes}")
    return lanes.value


def ramp_of(item: slice) -> PrimExpr:
    """The vector index `start:stop:step`; the scalar `start` for one lane."""
    start = as_scalar(item.start if item.start is not None else 0)
    step = positive_step(as_scalar(item.step if item.step is not None else 1, start.dtype))
    lanes = lanes_between(start, as_scalar(item.stop, start.dtype), step)
    return start if isinstance(lanes, int) and lanes == 1 else E.Ramp(start, step, lanes)


def is_plain_ramp(index: PrimExpr) -> bool:
    """Whether a ramp may be written as a slice and read as the same."""
    if not (isinstance(index, E.Ramp) and isinstance(index.stride, IntImm)):
        return False
    if isinstance(index.lanes, int) and index.lanes <= 1:
        return False
    if index.stride.value <= 0 or dtype_of(index.base.dtype).lanes != 1:
        return False
    stop = index.base + index.stride * index.lanes
    try:
        lanes = lanes_between(index.base, stop, index.stride)
    except ArgumentError:
        return False
    return lanes == index.lanes if isinstance(lanes, int) else _equal(lanes, index.lanes)


def stored_value(value: Any, dtype: str) -> PrimExpr:
    """What a script stores where `dtype` is kept: a scalar fills the lanes of a vector, a number
    of another type is cast. Vectors of another length stay as they are: storing them is refused."""
    lanes = dtype_of(dtype).lanes
    if lanes > 1 and isinstance(value, (int, float)):
        return tir_op.const(value, dtype)
    made = as_scalar(value, dtype)
    if lanes > 1 and dtype_of(made.dtype).lanes == 1:
        made = E.Broadcast(made, lanes)
    alike = dtype_of(made.dtype).lanes == lanes and "handle" not in (made.dtype, dtype)
    return tir_op.cast(made, dtype) if alike and made.dtype != dtype else made
