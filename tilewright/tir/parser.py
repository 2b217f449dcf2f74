"""Statements and functions of the dialect `T`."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir.expr import OPERATORS, FloatImm, GlobalVar, IntImm, PrimExpr, Range, RelaxExpr, as_scalar
from ..ir.module import IRModule
from ..ir.script_forms import DECLARERS
from ..ir.type import Type
from ..script.ir_builder import IRBuilder
from ..script.parser import CHECKS, FUNCTIONS, LOGIC, Form, Parser, assign, definition, parses
from ..script.parser.advice import article
from ..script.parser.core import no_scope, positional
from ..script.parser.python import is_node
from ..support.errors import ArgumentError, TVMError
from . import expr as E
from . import op as tir_op
from . import stmt as S
from .accesses import access_dtype, as_indices
from .analysis.verify import verify_names
from .buffer import Buffer
from .expr import Var
from .forms import (
    DataTypeName,
    LoopForm,
    MetaVar,
    as_range,
    bare_type,
    body_of,
    loop_domain,
    return_type,
    writer,
)
from .forms_buffer import renamed
from .function import PrimFunc
from .script_rules import in_order, ramp_of, stored_value
from .writer import Writer

# ---- expressions ----------------------------------------------------------------------------


def plain(value: Any) -> str:
    """A size as messages show it: constants without their type."""
    return str(value.value) if isinstance(value, IntImm) else str(value)


def _index(owner: Any, index: Any) -> Any:
    """`A[i, 0:4]`: a load, a vector load (slices with a step), or a region."""
    if not isinstance(owner, Buffer):
        return _item(owner, index)
    items = _indices(owner, index)
    slices = [i for i in items if isinstance(i, (slice, Range))]
    if not slices:
        return E.BufferLoad(owner, items)
    if all(isinstance(i, slice) and i.step is not None for i in slices):
        return E.BufferLoad(owner, vector_indices(items))
    ranges = []
    for item in items:
        if isinstance(item, slice):
            ranges.append(as_range((item.start, item.stop)))
        elif isinstance(item, Range):
            ranges.append(item)
        else:
            value = as_scalar(item)
            ranges.append(Range(value, IntImm(value.dtype, 1)))
    return S.BufferRegion(owner, tuple(ranges))


def _item(owner: Any, index: Any) -> Any:
    """`owner[index]` of what is no buffer."""
    if is_node(index) and not isinstance(index, IntImm) and isinstance(owner, (list, tuple, dict)):
        raise ArgumentError(
            f"{article(owner)} is indexed while the text is read, before `{index}` is known",
            hint="keep the values in a buffer, such as one of T.allocate_const",
        )
    try:
        return owner[index]
    except TVMError:
        raise
    except (TypeError, LookupError) as error:
        if is_node(owner) and isinstance(error, IndexError):
            raise ArgumentError(str(error), hint="index it as Python does") from None
        if is_node(owner) or not hasattr(type(owner), "__getitem__"):
            raise ArgumentError(
                f"{article(owner)} cannot be indexed", hint="index buffers, tuples and lists"
            ) from None
        raise ArgumentError(
            f"{article(owner)} of {len(owner)} has nothing at {index!r}",
            hint="index it as Python does",
        ) from None


def _completed(owner: Buffer, axis: int, item: Any) -> Any:
    """A slice with both its ends."""
    if not isinstance(item, slice):
        return item
    start = 0 if item.start is None else item.start
    return slice(start, owner.shape[axis] if item.stop is None else item.stop, item.step)


def _indices(owner: Buffer, index: Any) -> tuple[Any, ...]:
    """Indices between brackets, one a dimension, each an integer, a slice or a range."""
    items = tuple(index) if isinstance(index, (tuple, list)) else (index,)
    if len(items) != owner.ndim:
        raise ArgumentError(
            f"buffer `{owner.name}` has {owner.ndim} dimensions, indexed with {len(items)}",
            hint=f"its shape is ({', '.join(map(plain, owner.shape))})",
        )
    items = tuple(_completed(owner, axis, item) for axis, item in enumerate(items))
    for item in items:
        if not isinstance(item, (slice, Range, PrimExpr, E.IterVar, int)):
            raise ArgumentError(
                f"an index of buffer `{owner.name}` is {article(item)}, not an integer",
                hint="index with integers, loop variables and slices",
            )
        if isinstance(item, PrimExpr) and not E.dtype_of(item.dtype).is_integral:
            raise ArgumentError(
                f"an index of buffer `{owner.name}` has the type {item.dtype}",
                hint='convert it, as in T.Cast("int32", index)',
            )
    return items


def vector_indices(items: Any) -> tuple[Any, ...]:
    """Indices with slices as ramps."""
    return tuple(ramp_of(i) if isinstance(i, slice) else i for i in items)


def _folded(build: Any) -> Any:
    return lambda *values: functools.reduce(build, values)


def _compared(name: str) -> Any:
    def compare(left: Any, right: Any) -> Any:
        if isinstance(left, PrimExpr) or isinstance(right, PrimExpr):
            return OPERATORS[name](left, right)
        own = getattr(type(left), f"__{name}__")
        if isinstance(left, RelaxExpr) and own is not getattr(object, f"__{name}__"):
            return own(left, right)
        return getattr(operator, name)(left, right)

    return compare


def _logical(word: str, build: Any, of_vectors: Any = None) -> Any:
    """`build` of conditions only: of numbers, Python's `and` would give one of the two.

    `of_vectors` builds where one of them is a vector.
    """

    def combine(*operands: Any) -> PrimExpr:
        made = [as_scalar(operand) for operand in operands]
        for one in made:
            if not E.dtype_of(one.dtype).is_bool:
                sides = f"compare on each side, as in `a == 1 {word} a == 2`"
                raise ArgumentError(
                    f"`{word}` needs conditions, found {one.dtype}",
                    hint=sides if isinstance(one, IntImm) else f"compare, as in `{one} != 0`",
                )
        is_vector = of_vectors is not None and any(E.dtype_of(o.dtype).lanes != 1 for o in made)
        result: PrimExpr = (of_vectors if is_vector else build)(*made)
        return result

    return combine


def _chosen(condition: Any, yes: Any, no: Any) -> PrimExpr:
    return tir_op.if_then_else(_logical("if", lambda one: one)(condition), yes, no)


def _kind(value: Any) -> str:
    return value.dtype if isinstance(value, PrimExpr) else article(value)


LOGIC.update({
    "is_node": lambda value: isinstance(value, (PrimExpr, RelaxExpr, E.IterVar)),
    "is_constant": lambda value: isinstance(value, (IntImm, FloatImm, E.StringImm)),
    "is_part": lambda value: isinstance(value, (Buffer, S.BufferRegion, S.Stmt, Form)),
    "kind": _kind, "and": _logical("and", tir_op.logical_and, tir_op.bitwise_and),
    "or": _logical("or", tir_op.logical_or, tir_op.bitwise_or),
    "not": _logical("not", tir_op.logical_not),
    **{name: _compared(name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "min": _folded(tir_op.min), "max": _folded(tir_op.max), "abs": tir_op.abs,
    "all": _logical("all", tir_op.all), "any": _logical("any", tir_op.any),
    "select": _chosen, "index": _index, "arguments": in_order,
})  # fmt: skip

# ---- statements -----------------------------------------------------------------------------


@parses("tir", ast.Expr)
def expression(parser: Parser, node: ast.Expr) -> None:
    """A form acts, a call is evaluated, a string is a remark."""
    value = parser.value(node.value)
    if isinstance(value, Form):
        value.stand(parser, node)
    elif isinstance(value, S.Stmt):
        writer(parser).emit(value)
    elif isinstance(value, (PrimExpr, int, float)) and not isinstance(node.value, ast.Constant):
        writer(parser).emit(S.Evaluate(as_scalar(value)))
    elif value is not None and not isinstance(value, (str, Buffer)):
        parser.fail(node, f"{article(value)} cannot stand alone", hint="give it a name")


def bind_value(parser: Parser, target: ast.Name, value: Any) -> None:
    """`name = value`, by the kind of the value; one scope has no two buffers of a name."""
    before = parser.scopes[-1].get(target.id)
    _bind_value(parser, target, value)
    made = parser.lookup(target.id)
    if isinstance(before, Buffer) and isinstance(made, Buffer) and made is not before:
        parser.fail(
            target, f"`{target.id}` is the name of another buffer in this scope",
            hint="call one of them something else",
        )  # fmt: skip


def _bind_value(parser: Parser, target: ast.Name, value: Any) -> None:
    name = target.id
    if isinstance(value, Form) and not isinstance(value, DataTypeName):
        with parser.at(target):
            parser.bind(name, value.assign(parser, name, target))
    elif isinstance(value, list) and any(isinstance(part, Form) for part in value):
        with parser.at(target):
            parts = [
                part.assign(parser, f"{name}_{k}", target) if isinstance(part, Form) else part
                for k, part in enumerate(value)
            ]
        parser.bind(name, parts)
    elif isinstance(value, Buffer) and not value.name:
        parser.bind(name, IRBuilder.name(name, value))
    elif isinstance(value, MetaVar):
        parser.bind(name, value.value)
    elif isinstance(value, Var) and not value.name:
        value.name = name  # type: ignore[misc]
        parser.bind(name, value)
    elif isinstance(value, Var) and not parser.is_value(value):
        parser.bind(name, value)
    elif isinstance(value, (PrimExpr, int, float)):
        _no_loop(parser, target)
        _let(parser, name, value, None)
    elif isinstance(value, E.IterVar) and not value.var.name:
        value.var.name = name  # type: ignore[misc]
        parser.bind(name, value)
    else:
        parser.bind(name, value)


def _no_loop(parser: Parser, target: ast.Name) -> None:
    """Raises where a loop's variable would be assigned."""
    name = target.id
    if parser.is_bound(name) and id(parser.lookup(name)) in writer(parser).loops:
        parser.fail(
            target, f"`{name}` is the variable of a loop and cannot be assigned",
            hint="bind a new name",
        )  # fmt: skip


def _let(parser: Parser, name: str, value: Any, var: Var | None) -> None:
    made = as_scalar(value, None if var is None or var.dtype == "handle" else var.dtype)
    if var is None:
        kind = made.type_annotation if isinstance(made, Var) else None
        var = Var(name, made.dtype, type_annotation=kind)  # type: ignore[arg-type]
    elif var.dtype != made.dtype:
        raise ArgumentError(
            f"`{name}` is declared {var.dtype}, its value is {made.dtype}",
            hint=f'convert it, as in T.Cast("{var.dtype}", value), or declare it T.{made.dtype}',
        )
    bound = var
    writer(parser).scope(lambda body: S.LetStmt(bound, made, body))
    parser.bind(name, bound)


@parses("tir", ast.Assign)
def assignment(parser: Parser, node: ast.Assign) -> None:
    """`A[i] = value` stores; `x = value` binds."""
    value = parser.value(node.value)
    for target in node.targets:
        if isinstance(target, ast.Subscript):
            _store(parser, target, value, node.value)
        else:
            if isinstance(target, (ast.Tuple, ast.List)) and hasattr(value, "axes"):
                with parser.at(node.value):
                    value = value.axes(writer(parser))
            assign(parser, target, value, lambda t, v: bind_value(parser, t, v))


def _store(parser: Parser, target: ast.Subscript, value: Any, given: ast.AST) -> None:
    """`target = value`, where `given` is the syntax of the value."""
    buffer, index = parser.value(target.value), parser.value(target.slice)
    with parser.at(target):
        if not isinstance(buffer, Buffer):
            raise ArgumentError(
                f"`{ast.unparse(target.value)}` is no buffer to store to",
                hint="store to parameters, and to what T.alloc_buffer or T.match_buffer gives",
            )
        items = _indices(buffer, index)
        indices = vector_indices(items)
        dtype = access_dtype(buffer, as_indices(indices))
    with parser.at(given):
        value = stored_value(value, dtype)
        writer(parser).emit(S.BufferStore(buffer, value, indices))


@parses("tir", ast.AugAssign)
def augmented(parser: Parser, node: ast.AugAssign) -> None:
    """`A[i] += value`."""
    if not isinstance(node.target, ast.Subscript):
        parser.fail(
            node, "only elements of buffers can be updated",
            hint="assign to a new name, or keep the value in a buffer of one element",
        )  # fmt: skip
    load = ast.copy_location(
        ast.Subscript(node.target.value, node.target.slice, ast.Load()), node.target
    )
    total = ast.copy_location(ast.BinOp(load, node.op, node.value), node)
    _store(parser, node.target, parser.value(total), node)


@parses("tir", ast.AnnAssign)
def annotated(parser: Parser, node: ast.AnnAssign) -> None:
    """`x: T.int32 = value`."""
    if not isinstance(node.target, ast.Name) or node.value is None:
        parser.fail(node, "an annotated name needs a value", hint="write `name: type = value`")
    name = node.target.id
    value = parser.value(node.value)
    kind = parser.value(node.annotation)
    _let(parser, name, value, parameter(parser, name, kind, node.annotation))


@parses("tir", ast.For)
def for_(parser: Parser, node: ast.For) -> None:
    """`for i, j in T.grid(n, m):`."""
    loops = parser.value(node.iter)
    if not isinstance(loops, LoopForm):
        parser.fail(
            node.iter, f"a loop runs over {article(loops)}",
            hint="use range, T.grid, T.serial, T.parallel, T.vectorized, T.unroll "
            "or T.thread_binding",
        )  # fmt: skip
    count = len(loops.domains)
    _distinct(parser, node.target)
    names = node.target.elts if isinstance(node.target, (ast.Tuple, ast.List)) else [node.target]
    some = isinstance(node.target, ast.Name) or any(isinstance(n, ast.Starred) for n in names)
    if len(names) != count and not some:
        parser.fail(
            node.target, f"{count} loops with {len(names)} variables",
            hint="T.grid makes one loop an extent; give each a name",
        )  # fmt: skip
    with parser.at(node.iter), loops.open(writer(parser)) as variables, parser.scope():
        assign(parser, node.target, variables, lambda t, v: _bind_loops(parser, t.id, v))
        with _looping(parser):
            parser.statements(node.body)


@contextmanager
def _looping(parser: Parser) -> Iterator[None]:
    """Inside, `break` and `continue` have a loop."""
    outer, parser.facts["loop"] = parser.facts.get("loop"), True
    try:
        yield
    finally:
        parser.facts["loop"] = outer


@parses("tir", ast.Break, ast.Continue)
def jump(parser: Parser, node: ast.Break | ast.Continue) -> None:
    """`break` and `continue` of the innermost loop."""
    word = type(node).__name__.lower()
    if not parser.facts.get("loop"):
        parser.fail(
            node, f"`{word}` stands outside of a loop", hint="write it in a `for` or a `while`"
        )
    made = tir_op.break_loop() if word == "break" else tir_op.continue_loop()
    writer(parser).emit(S.Evaluate(made))


def _distinct(parser: Parser, target: ast.expr) -> None:
    seen: set[str] = set()
    for part in ast.walk(target):
        if isinstance(part, ast.Name):
            if part.id in seen:
                parser.fail(
                    part, f"two loops have the variable `{part.id}`", hint="rename one of them"
                )
            seen.add(part.id)


def _bind_loops(parser: Parser, name: str, value: Any) -> None:
    """Names the variable of a loop, or those that one name stands for."""
    several = value if isinstance(value, (tuple, list)) else [value]
    for index, var in enumerate(several):
        var.name = name if value is var else f"{name}_{index}"
    parser.bind(name, value)


@parses("tir", ast.While)
def while_(parser: Parser, node: ast.While) -> None:
    """`while condition:`."""
    condition = _condition(parser, node.test, "while")
    close = writer(parser).loop(condition)
    with _looping(parser):
        body = body_of(parser, node.body)
    with parser.at(node.test):
        loop = close(body)
    writer(parser).emit(loop)


def _condition(parser: Parser, node: ast.expr, what: str) -> PrimExpr:
    """The condition of a statement: a boolean, or an integer other than 0 as in Python."""
    value = parser.value(node)
    with parser.at(node):
        made = as_scalar(value)
        dtype = E.dtype_of(made.dtype)
        if not dtype.is_integral or dtype.lanes != 1:
            parser.fail(
                node, f"`{what}` needs a boolean condition, found {made.dtype}",
                hint=f"compare, as in `{ast.unparse(node)} != 0`",
            )  # fmt: skip
        return S.as_condition(what, made)


@parses("tir", ast.If)
def if_(parser: Parser, node: ast.If) -> None:
    """`if condition:`; a Python condition chooses while the text is read."""
    value = parser.value(node.test)
    if isinstance(value, (bool, np.bool_, type(None))):
        for stmt in node.body if value else node.orelse:
            parser.statement(stmt)
        return
    condition = _condition(parser, node.test, "if")
    yes = body_of(parser, node.body)
    no = body_of(parser, node.orelse) if node.orelse else None
    writer(parser).emit(S.IfThenElse(condition, yes, no))


@parses("tir", ast.Assert)
def assert_(parser: Parser, node: ast.Assert) -> None:
    """`assert condition, message`."""
    condition = _condition(parser, node.test, "assert")
    message = "" if node.msg is None else parser.value(node.msg)
    text = E.StringImm(message) if isinstance(message, str) else message
    if not isinstance(text, E.StringImm):
        parser.fail(
            node.msg or node, f"the message of an assertion is a text, found {article(message)}",
            hint='write `assert condition, "what went wrong"`',
        )  # fmt: skip
    writer(parser).scope(lambda body: S.AssertStmt(condition, text, body))


@parses("tir", ast.Return)
def return_(parser: Parser, node: ast.Return) -> None:
    """`return value`."""
    if node.value is None:
        parser.fail(
            node, "a loop program returns nothing at its end by itself",
            hint="leave the `return` out; `return value` gives a scalar",
        )  # fmt: skip
    writer(parser).emit(S.Evaluate(tir_op.ret(parser.value(node.value))))


@parses("tir", ast.With)
def with_(parser: Parser, node: ast.With) -> None:
    """`with T.block(...):` and the other scopes; several open one in another."""
    first, *rest = node.items
    form = parser.value(first.context_expr)
    if not isinstance(form, Form):
        no_scope(parser, first, form)
    body = node.body
    if rest:
        body = [ast.copy_location(ast.With(rest, node.body), node)]
    form.inside(parser, ast.copy_location(ast.With([first], body), node), first)


@parses("tir", ast.FunctionDef)
def inner(parser: Parser, node: ast.FunctionDef) -> None:
    """A macro defined inside of a function."""
    made = definition(parser, node)
    if not getattr(made, "is_macro", False):
        parser.fail(node, "a loop program contains no other function", hint="use @T.macro")
    parser.bind(node.name, made)


# ---- functions ------------------------------------------------------------------------------


def parameter(parser: Parser, name: str, kind: Any, node: ast.AST) -> Var:
    """A variable of an annotated type."""
    if isinstance(kind, DataTypeName):
        return Var(name, kind.dtype)
    if isinstance(kind, Var) and not kind.name:
        return kind.copy_with_name(name)
    made = None if isinstance(kind, Form) else bare_type(kind)
    if isinstance(made, Var) and made is not kind:
        return made.copy_with_name(name)
    parser.fail(
        node, f"`{ast.unparse(node)}` is no type of a variable",
        hint="use T.Buffer(shape, dtype), T.handle, or a data type such as T.int32",
    )  # fmt: skip


def prim_func(parser: Parser, node: Any, decorator: Any, name: str | None = None) -> PrimFunc:
    """The function that a definition describes."""
    with parser.using("tir"), parser.scope({"range": _range}):
        made = _Function(parser, node, decorator.options).parse()
    return made


def _range(
    start: Any,
    stop: Any = None,
    step: Any = None,
    *,
    annotations: dict[str, Any] | None = None,
) -> LoopForm:
    if step is not None:
        raise ArgumentError("loops count in steps of one", hint="multiply the loop variable")
    return LoopForm([loop_domain(start, stop)], annotations=annotations)


class _Function:
    """One function being parsed."""

    def __init__(self, parser: Parser, node: ast.FunctionDef, options: dict[str, Any]) -> None:
        self.parser, self.node, self.options = parser, node, options
        self.writer = Writer(
            node.name, private=options.get("private", False),
            check_well_formed=options.get("check_well_formed", True),
        )  # fmt: skip

    def parse(self) -> PrimFunc:
        """The function."""
        parser, node, w = self.parser, self.node, self.writer
        parser.facts["writer"] = w
        with IRBuilder(writer=w):
            for arg in positional(parser, node):
                self._param(arg)
            w.result = _result(parser, node)
            parser.statements(node.body)
            with parser.at(node):
                return w.function(
                    root=self.options.get("root") is not False, span=parser.span(node)
                )

    def _param(self, arg: ast.arg) -> None:
        parser = self.parser
        if arg.annotation is None:
            parser.fail(
                arg, f"parameter `{arg.arg}` has no type",
                hint=f'write `{arg.arg}: T.Buffer(shape, "float32")` or `{arg.arg}: T.handle`',
            )  # fmt: skip
        kind = parser.value(arg.annotation)
        if isinstance(kind, Buffer):
            own = renamed(kind, arg.arg)
            parser.bind(arg.arg, self.writer.buffer_parameter(arg.arg, own))
            return
        var = parameter(parser, arg.arg, kind, arg.annotation)
        parser.bind(arg.arg, self.writer.parameter(var))


def _result(parser: Parser, node: ast.FunctionDef) -> Type | None:
    if node.returns is None:
        return None
    with parser.at(node.returns):
        return return_type(parser.value(node.returns))


@dataclass(frozen=True)
class _Signature:
    """What calls of a function see before its body is read: the type of its result."""

    ret: Type


def _declare(parser: Parser, node: ast.FunctionDef, decorator: Any, gvar: GlobalVar) -> None:
    del decorator
    with parser.using("tir"):
        result = _result(parser, node)
    gvar._struct_info = None if result is None else _Signature(result)


def _check(made: Any) -> None:
    if isinstance(made, (PrimFunc, IRModule)):
        verify_names(made)


CHECKS.append(_check)
FUNCTIONS["tir"] = prim_func
DECLARERS["tir"] = _declare
