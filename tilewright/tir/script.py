"""The namespace `T` of script: `from tilewright.script import tir as T`."""

from inspect import isfunction as _isfunction
from typing import Any as _Any

from ..ir.range import Range as _Range
from ..ir.type import Type as _Type
from ..script.parser.arguments import Constructor as _Constructor
from ..script.parser.arguments import Subscripted as _Subscripted
from ..script.parser.namespace import names_of as _names_of
from ..script.parser.namespace import published as _published
from ..support.dtypes import dtype_of as _dtype_of
from ..support.errors import ArgumentError as _ArgumentError
from . import expr as _expr
from . import op as _op
from . import script_forms as _forms
from . import script_values as _values
from .buffer import Buffer as _Buffer
from .forms import DataTypeName as _DataTypeName
from .kinds import Ends as _Ends
from .kinds import Lanes as _Lanes
from .kinds import Producer as _Producer
from .kinds import Scalar as _Scalar
from .kinds import Variable as _Variable
from .script_rules import named_call as _named_call

_TYPE = str | _Type
_PLAIN = (
    "EQ", "GE", "GT", "LE", "LT", "NE", "Add", "And", "BufferLoad", "CommReducer", "Div",
    "FloatImm", "FloorDiv", "FloorMod", "Max", "Min", "Mod", "Mul", "Not", "Or", "Reduce",
    "Select", "Shuffle", "StringImm", "Sub",
)  # fmt: skip
"""Node classes whose constructor takes what their fields hold."""
_WIDER: dict[str, dict[str, _Any]] = {
    "Broadcast": {"lanes": _Lanes}, "Call": {"dtype": _TYPE}, "Cast": {"dtype": _TYPE},
    "IntImm": {"value": int | bool}, "IterVar": {"dom": _Ends | None, "var": _Variable},
    "ProducerLoad": {"producer": _Producer}, "Ramp": {"lanes": _Lanes},
    "SizeVar": {"dtype": _TYPE}, "Var": {"dtype": _TYPE},
}  # fmt: skip
"""Node classes, with what parameters take besides what their fields hold."""
_INNER = frozenset(
    (
        "SIMPLIFY",
        "const_value",
        "every",
        "folded",
        "is_const_int",
        "simplified",
        "some",
        "tvm_access_ptr_of",
        "wrap",
    )
)
"""What `tir.op` has for its own use."""
_DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
    "float32", "float64", "bfloat16",
)  # fmt: skip
"""Data types that errors suggest; all others are found as well."""

_NAMES: dict[str, _Any] = _published(
    "T",
    _forms,
    _values,
    {
        name: _Constructor(f"T.{name}", getattr(_expr, name), {"Buffer": _Buffer}, **more)
        for name, more in {**{name: {} for name in _PLAIN}, **_WIDER}.items()
    },
    {name: f for name, f in vars(_op).items() if _isfunction(f) and name not in _INNER},
    {"Range": _Constructor("T.Range", _Range, begin=_Scalar, end=_Scalar | None)},
    {"fabs": _op.abs, "CallEffectKind": _expr.CallEffectKind},
)
_NAMES |= {name: _Subscripted(_NAMES[name]) for name in ("Buffer", "Ptr")}
globals().update(_NAMES)
__dir__ = _names_of(_NAMES, _DTYPES)


def __getattr__(name: str) -> _Any:
    if name.startswith("_"):
        raise AttributeError(name)
    if not name.islower():
        made = _named_call(name)
        if made is not None:
            return made
    try:
        return _DataTypeName(_dtype_of(name).name)
    except _ArgumentError:
        pass
    made = _named_call(name)
    if made is None:
        raise AttributeError(f"script has no `T.{name}`")
    return made
