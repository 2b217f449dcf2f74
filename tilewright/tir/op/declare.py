"""How an intrinsic is declared: by its signature, the type of its result and its effect.

```
ptx_ldmatrix = declare(
    "ptx_ldmatrix(dtype, trans, num, type, local_ptr, local_offset, smem_ptr, smem_offset)",
    "dtype", UPDATE, "Loads 8x8 matrices from shared memory into registers.",
)
```

A parameter `dtype` is the result's type, in the place where script writes it; the others become the
call's arguments. The result's type is that parameter, a parameter's name (its own type), or a type.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

from ...ir.expr import PrimExpr, as_scalar
from ...ir.op import Op, register_op
from ...support.dtypes import dtype_of
from ..expr import BufferLoad, Call, CallEffectKind, StringImm, Var

__all__ = ["DTYPE_AT", "SCRIPT_NAMES", "as_argument", "declare", "intrinsic"]

DTYPE_AT: dict[str, int] = {}
"""Where script writes the type of the result of an intrinsic, among its arguments."""

SCRIPT_NAMES: dict[str, str] = {}
"""What script calls an operator whose constructor has another name."""


def intrinsic(name: str, effect: CallEffectKind = CallEffectKind.Pure, **attributes: Any) -> Op:
    """The operator `tir.name`, declared with its effect."""
    return register_op(f"tir.{name}", effect=effect, **attributes)


def as_argument(arg: object) -> object:
    """An argument of a call: buffers go as their memory, strings and numbers as constants."""
    data = getattr(arg, "data", None)
    if isinstance(data, Var) and not isinstance(arg, BufferLoad):
        return data
    return StringImm(arg) if isinstance(arg, str) else arg


def declare(
    signature: str, result: str, effect: CallEffectKind, doc: str, *, op: str = ""
) -> Callable[..., PrimExpr]:
    """The constructor of an intrinsic (of `tir.op`, where that has another name)."""
    name, _, rest = signature.partition("(")
    parameters = list(_parameters(f"({rest}"))
    shape = inspect.Signature(parameters)
    full = intrinsic(op or name, effect)
    names = [p.name for p in parameters]

    def make(*args: Any, **named: Any) -> PrimExpr:
        given = shape.bind(*args, **named)
        given.apply_defaults()
        values: list[Any] = []
        for parameter in parameters:
            value = given.arguments[parameter.name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                values += [as_argument(v) for v in value]
            elif parameter.name != "dtype" and value is not None:
                values.append(as_argument(value))
        dtype = result
        if result in names:
            told = given.arguments[result]
            dtype = told if result == "dtype" else as_scalar(told).dtype
        return Call(dtype_of(str(getattr(dtype, "dtype", dtype))).name, full, tuple(values))

    if "dtype" in names:
        DTYPE_AT[op or name] = names.index("dtype")
    if op:
        SCRIPT_NAMES[op] = name
    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    make.__signature__ = shape  # type: ignore[attr-defined]
    return make


def _parameters(text: str) -> list[inspect.Parameter]:
    """The parameters of `(a, b=1, *rest)`."""
    tree = ast.parse(f"lambda {text.strip()[1:-1]}: 0", mode="eval").body
    assert isinstance(tree, ast.Lambda)
    args = tree.args
    made = [inspect.Parameter(a.arg, inspect.Parameter.POSITIONAL_OR_KEYWORD) for a in args.args]
    first = len(made) - len(args.defaults)
    for index, default in enumerate(args.defaults, first):
        made[index] = made[index].replace(default=ast.literal_eval(default))
    if args.vararg is not None:
        made.append(inspect.Parameter(args.vararg.arg, inspect.Parameter.VAR_POSITIONAL))
    return made
