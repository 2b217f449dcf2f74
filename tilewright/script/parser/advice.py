"""What errors of script suggest: names that are near, what to write instead of Python's syntax."""

from __future__ import annotations

import ast
import builtins
import difflib
from collections.abc import Iterable
from typing import Any

_IMPORT = "import outside of the script; pass other names as extra_vars"
_NO_EXCEPTION = "script has no exceptions; use `assert condition, message`"
_BIND = "names are bound by assignment only"
_LOOP = "a graph has no loops: unroll it in Python, or write a loop program with @T.prim_func"

STATEMENT_HINTS: dict[type[ast.AST], dict[str, str]] = {
    ast.Import: {"any": _IMPORT}, ast.ImportFrom: {"any": _IMPORT},
    ast.Try: {"any": _NO_EXCEPTION}, ast.Raise: {"any": _NO_EXCEPTION},
    ast.Delete: {"any": _BIND}, ast.Global: {"any": _BIND},
    ast.ClassDef: {"any": "define classes outside of the script"},
    ast.For: {"relax": _LOOP}, ast.While: {"relax": _LOOP},
    ast.AugAssign: {"relax": "bind a name, as in `y = R.add(x, z)`"},
    ast.Assert: {"relax": "use R.assert_op(condition, args, format=message)"},
    ast.AnnAssign: {"module": "write `name = value`"},
    ast.If: {"module": "a module holds functions and constants"},
}  # fmt: skip
"""What to write instead of a statement that script does not have, by dialect."""

EXPRESSION_HINTS: dict[type[ast.AST], tuple[str, str]] = {
    ast.NamedExpr: ("`:=`", "assign on a line of its own, `name = value`"),
}
"""What script calls an expression that it does not have, and what to write instead."""

OPERATOR_HINTS: dict[type[ast.operator], str] = {
    ast.Pow: "write T.pow(a, b) for scalars, R.power(a, b) for tensors",
    ast.MatMult: "write R.matmul(a, b) for tensors; in loops sum the products",
}
"""What to write instead of an operator that nodes do not have."""


def near(name: str, known: Iterable[str]) -> str:
    """A hint that names those of the known names that are nearly `name`; empty without any."""
    close = difflib.get_close_matches(name, list(known), 3)
    return f"did you mean {', '.join(close)}?" if close else ""


def is_python_name(name: str) -> bool:
    """Whether Python itself knows the name."""
    return hasattr(builtins, name)


def article(value: Any) -> str:
    """The kind of a value in words: `an int`, `a list`."""
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeio' else 'a'} {kind}"
