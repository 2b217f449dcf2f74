"""Expressions of script: Python's syntax, with the operators of the dialects' nodes.

Plain Python values compute as in Python. Where an operand is a node, `and`, `or`, `not` and
chained comparisons, which Python gives classes no say in, ask the dialect's entry of `LOGIC`.
"""

from __future__ import annotations

import ast
import inspect
import operator
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any

from ...support.errors import ArgumentError, listing
from ...support.span import Span
from .advice import OPERATOR_HINTS, article, near
from .arguments import shown_parameters
from .python import LOGIC, MEANINGS, is_node, kind, known_text, truth, without_nodes

if TYPE_CHECKING:
    from .core import Parser

EVALUATORS: dict[type[ast.expr], Callable[..., Any]] = {}
SPECIAL: dict[str, Callable[..., Any]] = {}
"""Calls that see their arguments' syntax, by the callee's `script_special` attribute."""

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Pow: operator.pow, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
    ast.MatMult: operator.matmul,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert,
}  # fmt: skip
_SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|",
    ast.BitXor: "^", ast.MatMult: "@", ast.USub: "-", ast.UAdd: "+", ast.Invert: "~",
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip


_ORDERED: dict[type[ast.cmpop], str] = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
}  # fmt: skip


def evaluates(*classes: type[ast.expr]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declares what evaluates expressions of these classes: `(parser, node)`."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        for cls in classes:
            EVALUATORS[cls] = function
        return function

    return declare


@evaluates(ast.Constant)
def constant(parser: Parser, node: ast.Constant) -> Any:
    """A number, a string, a truth value, `None`, `...`."""
    return node.value


@evaluates(ast.Name)
def name(parser: Parser, node: ast.Name) -> Any:
    """What the name stands for."""
    return parser.name(node)


@evaluates(ast.Attribute)
def attribute(parser: Parser, node: ast.Attribute) -> Any:
    """`value.attr`."""
    owner = parser.value(node.value)
    if node.attr.startswith("__"):
        parser.fail(node, f"script cannot read `{node.attr}`")
    with parser.at(node):
        try:
            return getattr(owner, node.attr)
        except AttributeError as error:
            known = [n for n in dir(owner) if not n.startswith("_")]
            is_pythons = "' object has no attribute '" in str(error)
            parser.fail(
                node, f"{kind(owner)} has no `{node.attr}`" if is_pythons else str(error),
                hint=near(node.attr, known) or f"it has {listing(known, 5)}",
            )  # fmt: skip


@evaluates(ast.Call)
def call(parser: Parser, node: ast.Call) -> Any:
    """`function(arguments)`."""
    function = parser.value(node.func)
    special = SPECIAL.get(getattr(function, "script_special", ""))
    if special is not None:
        with parser.at(node):
            return special(parser, node, function)
    args, named = call_arguments(parser, node)
    if not callable(function):
        parser.fail(
            node.func, f"`{ast.unparse(node.func)}` cannot be called",
            hint="functions are names of T, R and I, of the module (`cls.name`) and of Python",
        )  # fmt: skip
    if isinstance(function, (type, BuiltinFunctionType)):
        function = MEANINGS.get(function, function)
    if "arguments" in LOGIC:
        args, named = LOGIC["arguments"](function, args, named)
    _check_arguments(parser, node, function, args, named)
    with parser.at(node):
        return function(*args, **named)


def call_arguments(parser: Parser, node: ast.Call) -> tuple[list[Any], dict[str, Any]]:
    """The values of a call's arguments: by place, by name."""
    args = list(_items(parser, node.args))
    named: dict[str, Any] = {}
    for keyword in node.keywords:
        value = parser.value(keyword.value)
        named.update(value if keyword.arg is None else {keyword.arg: value})
    return args, named


def _check_arguments(parser: Parser, node: ast.Call, function: Any, args: Any, named: Any) -> None:
    if not inspect.isroutine(function) or hasattr(function, "declared"):
        return
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        bound = signature.bind(*args, **named)
        if not isinstance(bound.arguments.get("span"), (Span, type(None))):
            raise TypeError("too many arguments")
    except TypeError as error:
        shown, text = shown_parameters(signature), ast.unparse(node.func)
        parser.fail(node, f"`{text}`: {error}", hint=f"its arguments are {text}({shown})")


def _items(parser: Parser, nodes: list[ast.expr]) -> Iterator[Any]:
    for node in nodes:
        if isinstance(node, ast.Starred):
            with parser.at(node):
                yield from sequence(parser, node, parser.value(node.value))
        else:
            yield parser.value(node)


@evaluates(ast.Tuple)
def tuple_(parser: Parser, node: ast.Tuple) -> Any:
    """`(a, b)`."""
    return tuple(_items(parser, node.elts))


@evaluates(ast.List)
def list_(parser: Parser, node: ast.List) -> Any:
    """`[a, b]`."""
    return list(_items(parser, node.elts))


@evaluates(ast.Set)
def set_(parser: Parser, node: ast.Set) -> Any:
    """`{a, b}`."""
    return set(_items(parser, node.elts))


@evaluates(ast.Dict)
def dict_(parser: Parser, node: ast.Dict) -> Any:
    """`{key: value}`."""
    made: dict[Any, Any] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        value = parser.value(item)
        made.update(value if key is None else {parser.value(key): value})
    return made


@evaluates(ast.Subscript)
def subscript(parser: Parser, node: ast.Subscript) -> Any:
    """`value[index]`; dialects give nodes their meaning through `LOGIC["index"]`."""
    owner, index = parser.value(node.value), parser.value(node.slice)
    with parser.at(node):
        if "index" in LOGIC:
            return LOGIC["index"](owner, index)
        return owner[index]


@evaluates(ast.Slice)
def slice_(parser: Parser, node: ast.Slice) -> Any:
    """`low:high:step`."""
    parts = (node.lower, node.upper, node.step)
    return slice(*(None if part is None else parser.value(part) for part in parts))


@evaluates(ast.BinOp)
def binary(parser: Parser, node: ast.BinOp) -> Any:
    """Arithmetic, evaluated without recursion along the left side."""
    chain: list[ast.BinOp] = []
    left: ast.expr = node
    while isinstance(left, ast.BinOp):
        chain.append(left)
        left = left.left
    value = _operand(parser, left)
    for step in reversed(chain):
        right = _operand(parser, step.right)
        value = _applied(parser, step, value, right)
    return value


def _operand(parser: Parser, node: ast.expr) -> Any:
    """The value; the expression that it stands for, as a region does for a vector."""
    value = parser.value(node)
    as_expr = getattr(value, "as_expr", None)
    if as_expr is None:
        return value
    with parser.at(node):
        return as_expr()


def _applied(parser: Parser, step: ast.BinOp, left: Any, right: Any) -> Any:
    with parser.at(step):
        if isinstance(left, str):
            known_text(right)
        try:
            return _BINARY[type(step.op)](left, right)
        except ArgumentError:
            raise
        except TypeError:
            sign = _SIGNS[type(step.op)]
            otherwise = "convert one of the two to the other's type"
            parser.fail(
                step, f"`{sign}` has no meaning for {kind(left)} and {kind(right)}",
                hint=OPERATOR_HINTS.get(type(step.op), otherwise),
            )  # fmt: skip


@evaluates(ast.UnaryOp)
def unary(parser: Parser, node: ast.UnaryOp) -> Any:
    """`-a`, `~a`, `not a`."""
    value = _operand(parser, node.operand)
    with parser.at(node):
        if isinstance(node.op, ast.Not):
            return LOGIC["not"](value) if is_node(value) else not truth(value)
        if isinstance(node.op, ast.UAdd) and is_node(value):
            return value
        try:
            return _UNARY[type(node.op)](value)
        except ArgumentError:
            raise
        except TypeError:
            parser.fail(
                node, f"`{_SIGNS[type(node.op)]}` has no meaning for {kind(value)}",
                hint="apply it to numbers and to elements of buffers",
            )  # fmt: skip


@evaluates(ast.BoolOp)
def boolean(parser: Parser, node: ast.BoolOp) -> Any:
    """`a and b`, `a or b`; Python's own short cut where the left side is a Python value."""
    is_and = isinstance(node.op, ast.And)
    value = _operand(parser, node.values[0])
    for item in node.values[1:]:
        with parser.at(node):
            if not is_node(value) and truth(value) != is_and:
                return value
        right = _operand(parser, item)
        with parser.at(node):
            if is_node(value) or is_node(right):
                value = LOGIC["and" if is_and else "or"](value, right)
            else:
                value = right
    return value


@evaluates(ast.Compare)
def compare(parser: Parser, node: ast.Compare) -> Any:
    """`a < b`, and `a < b < c` as both."""
    left, before = _operand(parser, node.left), node.left
    result: Any = None
    for op, item in zip(node.ops, node.comparators, strict=True):
        right = _operand(parser, item)
        with parser.at(node):
            if type(op) in _ORDERED and (is_node(left) or is_node(right)):
                one = LOGIC[_ORDERED[type(op)]](left, right)  # Python might swap the sides
            else:
                without_nodes(op, before, left, item, right)
                one = _COMPARE[type(op)](left, right)
            if result is None:
                result = one
            elif is_node(result) or is_node(one):
                result = LOGIC["and"](result, one)
            else:
                result = result and one
        left, before = right, item
    return result


@evaluates(ast.IfExp)
def conditional(parser: Parser, node: ast.IfExp) -> Any:
    """`a if condition else b`."""
    condition = parser.value(node.test)
    if not is_node(condition):
        with parser.at(node.test):
            chosen = node.body if truth(condition) else node.orelse
        return parser.value(chosen)
    yes, no = parser.value(node.body), parser.value(node.orelse)
    with parser.at(node):
        return LOGIC["select"](condition, yes, no)


@evaluates(ast.JoinedStr)
def joined(parser: Parser, node: ast.JoinedStr) -> Any:
    """An f-string."""
    return "".join(str(parser.value(part)) for part in node.values)


@evaluates(ast.FormattedValue)
def formatted(parser: Parser, node: ast.FormattedValue) -> Any:
    """A part of an f-string."""
    spec = "" if node.format_spec is None else str(parser.value(node.format_spec))
    value = parser.value(node.value)
    with parser.at(node):
        return format(known_text(value), spec)


@evaluates(ast.Lambda)
def lambda_(parser: Parser, node: ast.Lambda) -> Any:
    """A function of Python's, with positional parameters."""
    names = [arg.arg for arg in node.args.args]
    defaults = [parser.value(d) for d in node.args.defaults]
    frames = list(parser.scopes)

    def function(*args: Any) -> Any:
        missing = len(names) - len(args)
        if missing < 0 or missing > len(defaults):
            raise TypeError(f"the lambda takes {len(names)} arguments, given {len(args)}")
        values = (*args, *defaults[len(defaults) - missing :]) if missing else args
        before, parser.scopes = parser.scopes, [*frames, dict(zip(names, values, strict=True))]
        try:
            return parser.value(node.body)
        finally:
            parser.scopes = before

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(n, kind) for n in names]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


@evaluates(ast.ListComp, ast.GeneratorExp, ast.SetComp)
def comprehension(parser: Parser, node: ast.ListComp) -> Any:
    """`[value for name in items if condition]`."""
    with parser.scope():
        made = [parser.value(node.elt) for _ in _rounds(parser, node.generators)]
    return set(made) if isinstance(node, ast.SetComp) else made


@evaluates(ast.DictComp)
def dict_comprehension(parser: Parser, node: ast.DictComp) -> Any:
    """`{key: value for name in items}`."""
    with parser.scope():
        rounds = _rounds(parser, node.generators)
        return {parser.value(node.key): parser.value(node.value) for _ in rounds}


def _rounds(parser: Parser, generators: list[ast.comprehension]) -> Iterator[None]:
    if not generators:
        yield
        return
    first, *rest = generators
    items = sequence(parser, first.iter, parser.value(first.iter))
    for item in items:
        assign(parser, first.target, item, lambda target, value: parser.bind(target.id, value))
        if all(_chosen(parser, condition) for condition in first.ifs):
            yield from _rounds(parser, rest)


def _chosen(parser: Parser, condition: ast.expr) -> bool:
    value = parser.value(condition)
    with parser.at(condition):
        return truth(value)


def sequence(parser: Parser, node: ast.AST, value: Any) -> list[Any]:
    """The items of a Python value, which `node` stands for."""
    with parser.at(node):
        try:
            return list(value)
        except TypeError:
            parser.fail(
                node, f"{article(value)} is no sequence of Python values",
                hint="take a list, a tuple or a range of known length",
            )  # fmt: skip


def assign(parser: Parser, target: ast.expr, value: Any, bind: Callable[..., Any]) -> None:
    """Binds the names of a target, part by part: `bind(name node, value)` for each."""
    if isinstance(target, ast.Name):
        bind(target, value)
        return
    if not isinstance(target, (ast.Tuple, ast.List)):
        parser.fail(
            target, "only names can be assigned to here",
            hint="write `name = value`; elements of buffers are assigned in loop programs",
        )  # fmt: skip
    starred = [i for i, part in enumerate(target.elts) if isinstance(part, ast.Starred)]
    values = sequence(parser, target, value)
    if starred:
        first, after = starred[0], len(target.elts) - starred[0] - 1
        last = len(values) - after
        values[first:last] = [values[first:last]]
    if len(values) != len(target.elts):
        parser.fail(
            target, f"{len(values)} values are assigned to {len(target.elts)} names",
            hint="write one name a value; `*name` takes the rest",
        )  # fmt: skip
    for part, item in zip(target.elts, values, strict=True):
        assign(parser, part.value if isinstance(part, ast.Starred) else part, item, bind)
