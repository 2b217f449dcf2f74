"""What Python computes while a text is read, and what it must not decide about the program.

Truth, membership, identity and order of values of the program are known when it runs. Python would
answer at once, by comparing objects: each such question is given the program's meaning where there
is one (`min`, `abs`, `all`...), else it is an error that says what to write.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

from ...support.errors import ArgumentError
from .advice import article

LOGIC: dict[str, Callable[..., Any]] = {}
"""What operations mean on nodes; filled by the dialect of scalars: `and`, `or`, `not`, the ordered
comparisons, `select`, `index`, `min`, `max`, `abs`, `all`, `any`; `is_node` tells a value
that the program computes, `is_constant` one of these that is known, `is_part` another piece of the
program; `kind` says what a value is; `arguments` puts the arguments of some calls into order."""


def is_node(value: Any) -> bool:
    """Whether a value is one of the program, not a Python value of the moment."""
    return bool(LOGIC) and bool(LOGIC["is_node"](value))


def is_unknown(value: Any) -> bool:
    """Whether a value is known only when the program runs."""
    return is_node(value) and not LOGIC["is_constant"](value)


def is_part(value: Any) -> bool:
    """Whether a value is a piece of the program, such as a buffer, whose truth says nothing."""
    return bool(LOGIC) and bool(LOGIC["is_part"](value))


def holds_nodes(value: Any) -> bool:
    """Whether a value is one of the program, or a Python collection with one in it."""
    if isinstance(value, dict):
        return any(holds_nodes(v) for pair in value.items() for v in pair)
    if isinstance(value, (tuple, list, set)):
        return any(holds_nodes(v) for v in value)
    return is_node(value)


def kind(value: Any) -> str:
    """What a value is, in words: the data type of one of the program, `a list`."""
    return str(LOGIC["kind"](value)) if LOGIC else article(value)


def truth(value: Any) -> bool:
    """Whether Python takes a value for true. Raises `ArgumentError` for parts of the program."""
    if is_node(value) or is_part(value):
        raise ArgumentError(
            f"whether `{value}` holds is not known while the text is read",
            hint="let the program choose: `if` with a comparison, T.if_then_else, T.Select",
        )
    return bool(value)


def known_text(value: Any) -> Any:
    """The value, to be written into a text. Raises `ArgumentError` if the program computes it."""
    if is_unknown(value):
        raise ArgumentError(
            f"a text is made while the program is read, before `{value}` is known",
            hint="write constants into texts; the message of an assertion is one",
        )
    return value


def without_nodes(
    operator: ast.cmpop, node: ast.expr, left: Any, item: ast.expr, right: Any
) -> None:
    """Raises `ArgumentError` if Python would compare values of the program as objects.

    `node` and `item` are the syntax of the two sides.
    """
    if isinstance(operator, (ast.Is, ast.IsNot)):
        if not ((is_node(left) and right is not None) or (is_node(right) and left is not None)):
            return
        word, sign = ("is", "==") if isinstance(operator, ast.Is) else ("is not", "!=")
        raise ArgumentError(
            f"`{word}` compares objects of Python, not values of the program",
            hint=f"write `{ast.unparse(node)} {sign} {ast.unparse(item)}`",
        )
    if not (holds_nodes(left) or holds_nodes(right)):
        return
    if isinstance(operator, (ast.In, ast.NotIn)):
        is_in = isinstance(operator, ast.In)
        word, sign, join = ("in", "==", " or ") if is_in else ("not in", "!=", " and ")
        parts = item.elts if isinstance(item, (ast.Tuple, ast.List, ast.Set)) else []
        texts = [ast.unparse(part) for part in parts[:4]] or ["a", "b"]
        written = join.join(f"{ast.unparse(node)} {sign} {text}" for text in texts)
        raise ArgumentError(
            f"`{word}` looks at a collection while the text is read, before values are known",
            hint=f"write `{written}`",
        )
    raise ArgumentError(
        f"{article(left)} and {article(right)} are compared while the text is read, "
        "before values are known",
        hint="compare the items one by one, as in `i == 1 and j == 2`",
    )


# ---- built-in functions ---------------------------------------------------------------------

PYTHON = {
    f.__name__: f
    for f in (abs, all, any, bool, dict, divmod, enumerate, float, getattr, int, isinstance, len,
              list, max, min, range, reversed, round, set, slice, sorted, str, sum, tuple, zip)
}  # fmt: skip
"""The Python built-ins that script may call while it is read."""


def _reduction(plain: Callable[..., Any], *, unpacks: bool) -> Callable[..., Any]:
    """`plain` of values; where one is of the program, what `LOGIC` says under the same name.

    `unpacks`: several arguments mean what a collection of them means.
    """
    name = plain.__name__

    def reduce(*args: Any, **options: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], Iterable) and not is_node(args[0]):
            args = (list(args[0]),)
        items = args[0] if len(args) == 1 and isinstance(args[0], list) else args
        if not any(map(is_node, items)):
            return plain(*args, **options)
        if options or (items is args and not (unpacks and len(args) > 1)):
            raise ArgumentError(
                f"Python's `{name}` takes values of the program and nothing else",
                hint=f"write {name}({'a, b' if unpacks else '[a, b]'})",
            )
        return LOGIC[name](*items)

    return reduce


def _refusing(plain: Callable[..., Any], hint: str) -> Callable[..., Any]:
    """`plain`, which must know the value: refused where that is one of the program."""

    def call(*args: Any, **options: Any) -> Any:
        wrong = next((a for a in args if _is_asked(plain, a)), None)
        if wrong is not None:
            raise ArgumentError(
                f"Python's `{plain.__name__}` needs a value while the text is read, "
                f"found {kind(wrong)}",
                hint=hint,
            )
        return plain(*args, **options)

    return call


def _is_asked(plain: Callable[..., Any], value: Any) -> bool:
    """Whether `plain` would have to know more of a value than the text says."""
    if plain is sorted and isinstance(value, (tuple, list)):
        return any(map(is_unknown, value))
    has_length = plain in (len, reversed) and hasattr(value, "__len__")
    return is_unknown(value) or (is_part(value) and not has_length)


def _attribute(owner: Any, name: str, *otherwise: Any) -> Any:
    """Python's `getattr`, without names that Python keeps to itself."""
    if str(name).startswith("__"):
        raise ArgumentError(f"script cannot read `{name}`")
    return getattr(owner, name, *otherwise)


MEANINGS: dict[Any, Callable[..., Any]] = {
    getattr: _attribute,
    min: _reduction(min, unpacks=True),
    max: _reduction(max, unpacks=True),
    all: _reduction(all, unpacks=False),
    any: _reduction(any, unpacks=False),
    abs: lambda value: LOGIC["abs"](value) if is_node(value) else abs(value),
    bool: _refusing(bool, "compare, as in `x != 0`"),
    int: _refusing(int, 'write T.Cast("int32", x)'),
    float: _refusing(float, 'write T.Cast("float32", x)'),
    str: lambda *args: str(*map(known_text, args)),
    len: _refusing(len, "the size of a buffer's first dimension is `A.shape[0]`"),
    round: _refusing(round, "write T.round(x)"),
    divmod: _refusing(divmod, "write `x // y` and `x % y`"),
    sorted: _refusing(sorted, "write T.min and T.max of two values, or sort in the program"),
    reversed: _refusing(reversed, "index backwards, as in `A[n - 1 - i]`"),
}  # fmt: skip
"""What script does instead of calling a built-in, whose answer would not be the program's."""
