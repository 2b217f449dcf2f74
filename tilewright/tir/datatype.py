"""Custom data types: a name, a width, and functions that say how to compute with the bits.

```
register("posit", 150)
register_op(create_lower_func({32: "Posit32Add"}), "Add", "llvm", "posit")
```

`LowerCustomDatatypes` then makes a call of the C function `Posit32Add` of each sum of
`custom[posit]32`, whose values lie in memory as `uint32`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..ir.expr import FloatImm, PrimExpr
from ..support.dtypes import CUSTOM_TYPES, dtype_of
from ..support.errors import ArgumentError
from .expr import BinaryOpExpr, Call, Cast, CmpExpr, StringImm
from .op.calls import call_intrin, call_pure_extern
from .op.constant import CUSTOM_MINIMA

FIRST_CODE = 129
"""Numbers from here on are for custom types."""

Lower = Callable[[Any], PrimExpr]
_LOWERED: dict[tuple[str, str, str, str | None], Lower] = {}


def register(type_name: str, type_code: int) -> None:
    """Declares the custom type `type_name`; `custom[type_name]32` is then a dtype.

    Raises `ArgumentError` for a number below 129, or for a name or number that is taken.
    """
    if not isinstance(type_code, int) or type_code < FIRST_CODE:
        raise ArgumentError(f"the number of a custom type is {FIRST_CODE} or more: {type_code!r}")
    if not type_name.isidentifier():
        raise ArgumentError(f"the name of a custom type is no identifier: {type_name!r}")
    if CUSTOM_TYPES.get(type_name, type_code) != type_code:
        raise ArgumentError(f"{type_name!r} has the number {CUSTOM_TYPES[type_name]} already")
    owner = next((name for name, code in CUSTOM_TYPES.items() if code == type_code), type_name)
    if owner != type_name:
        raise ArgumentError(f"the number {type_code} is that of {owner!r}")
    CUSTOM_TYPES[type_name] = type_code


def get_type_name(type_code: int) -> str:
    """The name of the custom type with a number. Raises `ArgumentError` if there is none."""
    for name, code in CUSTOM_TYPES.items():
        if code == type_code:
            return name
    raise ArgumentError(f"no custom type has the number {type_code}")


def get_type_code(type_name: str) -> int:
    """The number of a custom type. Raises `ArgumentError` if there is none of that name."""
    if type_name not in CUSTOM_TYPES:
        raise ArgumentError(
            f"no custom type is called {type_name!r}",
            hint=f"there are {', '.join(CUSTOM_TYPES)}" if CUSTOM_TYPES else "register it",
        )
    return CUSTOM_TYPES[type_name]


def get_type_registered(type_code: int) -> bool:
    """Whether a custom type has this number."""
    return type_code in CUSTOM_TYPES.values()


def register_op(
    lower_func: Lower, op_name: str, target: str, src_type_name: str,
    dest_type_name: str | None = None, intrinsic_name: str | None = None,
) -> None:  # fmt: skip
    """Says what becomes of `op_name` (`Add`, `Cast`, `FloatImm`, `Call`...) in a custom type.

    `lower_func` takes the node with its operands lowered, for targets of kind `target`. A `Cast`
    is from `src_type_name` to `dest_type_name`, one of which is custom; a `Call` is of
    `intrinsic_name`, such as `tir.exp`. Raises `ArgumentError` where one of these is missing.
    """
    of: str | None = None
    kind = src_type_name
    if op_name == "Cast":
        if dest_type_name is None:
            raise ArgumentError("the lowering of a Cast names the type it makes: dest_type_name")
        kind, of = dest_type_name, src_type_name
    elif op_name == "Call":
        if intrinsic_name is None:
            raise ArgumentError("the lowering of a Call names what is called: intrinsic_name")
        of = intrinsic_name
    _LOWERED[target, op_name, kind, of] = lower_func


def lowering(target: str, op_name: str, type_name: str, of: str | None = None) -> Lower | None:
    """What `register_op` was told; `of` is the source of a cast, or what is called."""
    return _LOWERED.get((target, op_name, type_name, of))


def register_min_func(func: Callable[[int], PrimExpr], type_name: str) -> None:
    """Says what the smallest value of a custom type is: a function of its bits."""
    get_type_code(type_name)
    CUSTOM_MINIMA[f"custom[{type_name}]"] = func


def create_min_lower_func(
    extern_func_map: Mapping[int, str], type_name: str
) -> Callable[[int], PrimExpr]:
    """A function of bits: a call of the C function that `extern_func_map` has for them."""

    def lower(num_bits: int) -> PrimExpr:
        name = _entry(extern_func_map, num_bits, f"the smallest value of {type_name}")
        return call_pure_extern(f"custom[{type_name}]{num_bits}", name)

    lower.__doc__ = f"The smallest value of `{type_name}`."
    return lower


def create_lower_func(extern_func_map: Mapping[Any, str]) -> Lower:
    """A function of nodes: each becomes a call of a C function.

    `extern_func_map` has the function's symbol by the bits of the type, or for casts by the bits
    of source and result. Operands and result are unsigned integers of these bits. Raises
    `ArgumentError` for bits that it lacks.
    """

    def lower(op: Any) -> PrimExpr:
        info = dtype_of(op.dtype)
        dtype = dtype_of(f"uint{info.bits}").with_lanes(info.lanes) if info.is_custom else op.dtype
        if isinstance(op, Cast):
            key: Any = (dtype_of(op.value.dtype).bits, info.bits)
            return call_pure_extern(dtype, _entry(extern_func_map, key, str(op)), op.value)
        if isinstance(op, (BinaryOpExpr, CmpExpr)):
            bits = dtype_of(op.a.dtype).bits
            return call_pure_extern(dtype, _entry(extern_func_map, bits, str(op)), op.a, op.b)
        name = _entry(extern_func_map, info.bits, str(op))
        if isinstance(op, FloatImm):
            return call_pure_extern(dtype, name, op.value)
        if isinstance(op, Call):
            return call_pure_extern(dtype, name, *op.args)
        return call_pure_extern(dtype, name, op.a)

    return lower


def _entry(names: Mapping[Any, str], key: Any, what: str) -> str:
    if key not in names:
        raise ArgumentError(f"no function is given for {key} bits, of {what}")
    return names[key]


def lower_ite(ite_op: Call) -> PrimExpr:
    """`if_then_else` of a custom type: the same of its bits."""
    return call_intrin(_bits_of(ite_op.dtype), "tir.if_then_else", *ite_op.args)


def lower_call_pure_extern(op: Call) -> PrimExpr:
    """A C function that gives a custom type: it gives its bits."""
    name, *args = op.args
    assert isinstance(name, StringImm)
    return call_pure_extern(_bits_of(op.dtype), name.value, *args)


def _bits_of(dtype: str) -> str:
    info = dtype_of(dtype)
    return dtype_of(f"uint{info.bits}").with_lanes(info.lanes)
