"""The namespace `I` of script: `from tilewright.script import ir as I`."""

from typing import Any as _Any

from ..script.parser.arguments import Constructor as _Constructor
from ..script.parser.namespace import names_of as _names_of
from ..script.parser.namespace import published as _published
from . import script_forms as _forms
from .op import Op as _Op

_NAMES: dict[str, _Any] = _published("I", _forms, {"Op": _Constructor("I.Op", _Op)})
globals().update(_NAMES)
__dir__ = _names_of(_NAMES)


def __getattr__(name: str) -> _Any:
    raise AttributeError(f"script has no `I.{name}`")
