"""The namespace `R` of script: `from tilewright.script import relax as R`."""

from importlib import import_module as _import_module
from typing import Any as _Any

from ..script.parser.arguments import Constructor as _Constructor
from ..script.parser.namespace import names_of as _names_of
from ..script.parser.namespace import published as _published
from . import script_forms as _forms
from .base import ShapeExpr as _ShapeExpr
from .expr import Call as _Call
from .expr import ExternFunc as _ExternFunc
from .script_ops import operator as _operator
from .script_ops import operator_names as _operator_names

_NAMES: dict[str, _Any] = _published(
    "R",
    _forms,
    {cls.__name__: _Constructor(f"R.{cls.__name__}", cls) for cls in (_ExternFunc, _ShapeExpr)},
    {"CallNode": _Constructor("R.CallNode", _Call)},
)
globals().update(_NAMES)
__dir__ = _names_of(_NAMES, _operator_names())


def __getattr__(name: str) -> _Any:
    if name.startswith("_"):
        raise AttributeError(name)
    if name == "entry":  # a module of its own
        return _import_module(f"{__package__}.script_entry")
    found = _operator(name)
    if found is None:
        raise AttributeError(f"script has no `R.{name}`")
    return found
