"""Statements and functions of the dialect `R`."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..ir.expr import GlobalVar, PrimExpr, as_scalar
from ..ir.module import IRModule
from ..ir.script_forms import DECLARERS, _Functions
from ..script.ir_builder.base import IRBuilder
from ..script.parser import CHECKS, FUNCTIONS, Form, Parser, assign, definition, parses
from ..script.parser.advice import article
from ..script.parser.core import no_scope, positional
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from ..tir import parser as _scalars
from ..tir.buffer import Buffer
from ..tir.expr import Var as TirVar
from . import normalizer
from .analysis.well_formed import check_well_formed
from .base import Expr, StructInfo
from .block_builder import BlockBuilder
from .expr import DataflowVar, Function, If, MatchCast, SeqExpr, Var, VarBinding, as_expr
from .script_infos import as_info, conflict
from .struct_info import FuncStructInfo, ObjectStructInfo, TupleStructInfo

SCALARS = _scalars
"""Dimensions are written with the operators of loop programs."""


@dataclass
class MatchCastForm(Form):
    """`x = R.match_cast(value, info)`."""

    value: Expr
    info: Any

    def assign(self, parser: Parser, name: str, node: ast.AST, told: Any = None) -> Var:
        """Emits the cast; its strings and new variables become dimensions."""
        info = as_info(self.info, lambda text: dimension(parser, text))
        bb = builder(parser)
        normal = normalizer.leaf(bb, as_expr(self.value))
        var = _variable(parser, name, info if told is None else told)
        bb.emit_normalized(MatchCast(var, normal, info, span=parser.span(node)))
        return var


@dataclass
class FunctionFact(Form):
    """A line that tells the function something: attributes, its name, its result."""

    key: str
    value: Any

    def stand(self, parser: Parser, node: ast.AST) -> None:
        """Notes the fact."""
        if self.key == "attrs":
            parser.facts["attrs"].update(self.value)
        elif self.key == "ret":
            parser.facts["told"] = self.value
        elif self.key == "result":
            _return(parser, self.value)


@dataclass
class OutputForm(Form):
    """`R.output(...)`, which `R.dataflow` has read before."""

    names: Sequence[Any]

    def stand(self, parser: Parser, node: ast.AST) -> None:
        """Nothing more."""
        if not builder(parser).current_block_is_dataflow():
            parser.fail(
                node, "R.output stands outside of R.dataflow()",
                hint="write it at the end of `with R.dataflow():`",
            )  # fmt: skip


@dataclass
class DataflowForm(Form):
    """`with R.dataflow():`."""

    def inside(self, parser: Parser, node: ast.With, item: ast.withitem) -> None:
        """Parses the block; variables named in R.output are seen after it."""
        outputs = _outputs(parser, node)
        last = {t: s for s in node.body for t in _targets(s) if t in outputs}
        bb = builder(parser)
        bb._begin_dataflow_block()
        with parser.scope() as names:
            for stmt in node.body:
                parser.facts["outputs"] = {t for t, s in last.items() if s is stmt}
                parser.statement(stmt)
            parser.facts["outputs"] = set()
        bb._end_block()
        bb._scope().is_dataflow = False
        hints = parser.facts.setdefault("hints", {})
        hints.update({
            name: f"it is local to the dataflow block; end that with `R.output({name})`"
            for name in names
        })  # fmt: skip
        for name in outputs:
            if name not in names:
                parser.fail(node, f"R.output names `{name}`, which the block does not define")
            parser.bind(name, names[name])
        for name, value in names.items():
            if isinstance(value, TirVar):
                parser.bind(name, value)


def _outputs(parser: Parser, node: ast.With) -> list[str]:
    """The names that a dataflow block gives to what follows: to R.output, or to a `return`."""
    names: list[str] = []
    bound = {name for stmt in node.body for name in _targets(stmt)}
    for stmt in node.body:
        if isinstance(stmt, ast.Return) and stmt.value is not None:
            returned = [n.id for n in ast.walk(stmt.value) if isinstance(n, ast.Name)]
            names += [name for name in dict.fromkeys(returned) if name in bound]
        call = stmt.value if isinstance(stmt, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        if call.func.attr == "output":
            names += [a.id for a in call.args if isinstance(a, ast.Name)]
    return names


def _targets(stmt: ast.stmt) -> list[str]:
    if isinstance(stmt, ast.If):
        return [t for part in (stmt.body[-1:], stmt.orelse[-1:]) for s in part for t in _targets(s)]
    if isinstance(stmt, ast.FunctionDef):
        return [stmt.name]
    given = stmt.targets if isinstance(stmt, ast.Assign) else [getattr(stmt, "target", None)]
    return [n.id for t in given if t is not None for n in ast.walk(t) if isinstance(n, ast.Name)]


def _is_call(stmt: ast.stmt) -> bool:
    """Whether a statement is a call that stands alone, as those without a result do."""
    return isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Call)


def builder(parser: Parser) -> BlockBuilder:
    """What the function is written with."""
    found: BlockBuilder = parser.facts["builder"]
    return found


def _variable(parser: Parser, name: str, info: StructInfo) -> Var:
    local = builder(parser).current_block_is_dataflow()
    outputs = parser.facts.get("outputs", ())
    return DataflowVar(name, info) if local and name not in outputs else Var(name, info)


def dimension(parser: Parser, text: str) -> PrimExpr:
    """The dimension that a string such as `"n + 1"` describes; new names become variables."""
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        raise ArgumentError(
            f"{text!r} is no dimension", hint='write an expression such as "n" or "2 * n + 1"'
        ) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not _is_dimension(parser, node.id):
            inner = any(isinstance(n, ast.Attribute) and n.value is node for n in ast.walk(tree))
            if not inner:
                parser.bind(node.id, TirVar(node.id, "int64"))
    return as_scalar(parser.value(tree), "int64")


def _is_dimension(parser: Parser, name: str) -> bool:
    return parser.is_bound(name) and (
        isinstance(parser.lookup(name), TirVar) or name in ("min", "max", "T")
    )


# ---- statements -----------------------------------------------------------------------------


def emit(parser: Parser, name: str, value: Any, node: ast.AST, told: Any = None) -> None:
    """`name = value`, of struct info `told`."""
    if isinstance(value, MatchCastForm):
        parser.bind(name, value.assign(parser, name, node, told))
        return
    if isinstance(value, Form):
        parser.bind(name, value.assign(parser, name, node))
        return
    if isinstance(value, TirVar) and not value.name:
        if parser.is_bound(name) and isinstance(parser.lookup(name), TirVar):
            return
        value.name = name  # type: ignore[misc]
        parser.bind(name, value)
        return
    if isinstance(value, Buffer):
        parser.bind(name, value if value.name else IRBuilder.name(name, value))
        return
    if isinstance(value, _Functions) or (callable(value) and not isinstance(value, Expr)):
        parser.bind(name, value)
        return
    bb = builder(parser)
    expr = as_expr(value)
    if expr.span is None and not isinstance(expr, (Var, GlobalVar, Function)) and name:
        expr = expr.replace(span=parser.span(node)) if type(expr).__name__ == "Call" else expr
    normal = normalizer.value(bb, expr)
    if told is None or not isinstance(normal, Function):
        found = normal.struct_info
        reason = "" if told is None else conflict(told, found)
        if reason:
            parser.fail(
                node, f"`{name}`: {reason}", hint=f"write `{name}: {found}`, or leave it out"
            )
        told = found if told is None else told
    var = _variable(parser, name, told)
    bb.emit_normalized(VarBinding(var, normal, span=parser.span(node)))
    parser.bind(name, var)


@parses("relax", ast.Assign)
def assignment(parser: Parser, node: ast.Assign) -> None:
    """`x = value`; `a, b = value` takes a tuple apart."""
    value = parser.value(node.value)
    for target in node.targets:
        if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, Expr):
            value = [value[i] for i in range(len(target.elts))]  # type: ignore[index]
        assign(parser, target, value, lambda t, v: emit(parser, t.id, v, node))


@parses("relax", ast.AnnAssign)
def annotated(parser: Parser, node: ast.AnnAssign) -> None:
    """`x: info = value`."""
    if not isinstance(node.target, ast.Name) or node.value is None:
        parser.fail(node, "an annotated name needs a value", hint="write `name: info = value`")
    value = parser.value(node.value)
    kind = parser.value(node.annotation)
    with parser.at(node.annotation):
        told = as_info(kind, lambda text: dimension(parser, text))
    emit(parser, node.target.id, value, node, told)


@parses("relax", ast.Expr)
def expression(parser: Parser, node: ast.Expr) -> None:
    """A form acts, a call is bound to a variable that nobody reads, a string is a remark."""
    value = parser.value(node.value)
    if isinstance(value, Form):
        value.stand(parser, node)
    elif isinstance(value, Expr):
        emit(parser, "_", value, node)
        found = parser.lookup("_").struct_info
        if not isinstance(found, TupleStructInfo) or found.fields:
            parser.fail(
                node, f"the value of `{ast.unparse(node)}` is bound to no name: {found}",
                hint="give it a name; only what has no result, as R.print, stands alone",
            )  # fmt: skip
    elif value is not None and not isinstance(value, str):
        parser.fail(node, f"{article(value)} cannot stand alone", hint="give it a name")


@parses("relax", ast.With)
def with_(parser: Parser, node: ast.With) -> None:
    """`with R.dataflow():`."""
    form = parser.value(node.items[0].context_expr)
    if not isinstance(form, Form):
        no_scope(parser, node.items[0], form)
    form.inside(parser, node, node.items[0])


@parses("relax", ast.Return)
def return_(parser: Parser, node: ast.Return) -> None:
    """`return value`."""
    if node.value is None:
        parser.fail(node, "a function of R returns a value", hint="write `return R.tuple()`")
    _return(parser, parser.value(node.value))


def _return(parser: Parser, value: Any) -> None:
    if "result" in parser.facts:
        raise ArgumentError("the function returns twice")
    parser.facts["result"] = normalizer.leaf(builder(parser), as_expr(value))


@parses("relax", ast.FunctionDef)
def inner(parser: Parser, node: ast.FunctionDef) -> None:
    """A function inside of a function, or a macro."""
    made = definition(parser, node)
    if isinstance(made, Function):
        emit(parser, node.name, made, node)
    else:
        parser.bind(node.name, made)


@parses("relax", ast.If)
def if_(parser: Parser, node: ast.If) -> None:
    """`if condition: ... x = a` / `else: ... x = b` binds `x`."""
    condition = parser.value(node.test)
    if isinstance(condition, bool):
        parser.statements(node.body if condition else node.orelse)
        return
    if not node.orelse:
        parser.fail(
            node, "an `if` of R needs an `else`: both bind the same name",
            hint="end both branches with an assignment to one name",
        )  # fmt: skip
    last = (node.body[-1], node.orelse[-1])
    names = {t for stmt in last for t in (["_"] if _is_call(stmt) else _targets(stmt))}
    if len(names) != 1:
        parser.fail(
            node, f"both branches end by binding one name, found {sorted(names)}",
            hint="end both branches with an assignment to one name",
        )  # fmt: skip
    (name,) = names
    bb = builder(parser)
    test = normalizer.leaf(bb, as_expr(condition))
    told: list[Any] = []
    yes = _branch(parser, node.body, name, told)
    no = _branch(parser, node.orelse, name, told)
    emit(parser, name, If(test, yes, no), node, told[0] if told else None)


def _branch(parser: Parser, nodes: Sequence[ast.stmt], name: str, told: list[Any]) -> SeqExpr:
    def write() -> Expr:
        with parser.scope():
            parser.statements(nodes[:-1])
            last = nodes[-1]
            if isinstance(last, (ast.Assign, ast.AnnAssign)) and last.value is not None:
                value = parser.value(last.value)
                if isinstance(last, ast.AnnAssign):
                    kind = parser.value(last.annotation)
                    told.append(as_info(kind, lambda text: dimension(parser, text)))
                if not isinstance(value, Form) and normalizer.is_leaf(as_expr(value)):
                    return as_expr(value)
                emit(parser, name, value, last)
            else:
                parser.statement(last)
            found: Expr = parser.lookup(name)
            return found

    outputs, parser.facts["outputs"] = parser.facts.get("outputs", ()), ()
    try:
        return builder(parser).nested(write)
    finally:
        parser.facts["outputs"] = outputs


# ---- functions ------------------------------------------------------------------------------


def function(
    parser: Parser, node: ast.FunctionDef, decorator: Any, gvar: GlobalVar | None = None
) -> Function:
    """The function that a definition describes."""
    options = decorator.options
    is_inner = parser.dialect == "relax"
    with parser.using("relax"), parser.scope():
        attrs: dict[str, Any] = {}
        if not is_inner and not options.get("private", False):
            attrs["global_symbol"] = node.name
        params, told = _signature(parser, node)
        ret: Any = told
        bb = BlockBuilder.writing(_module())
        parser.facts.update(builder=bb, attrs=attrs)
        bb.begin_scope(params)
        with IRBuilder(builder=bb, module=_module()):
            for stmt in node.body:
                if "result" in parser.facts:
                    parser.fail(
                        stmt, "nothing follows the `return` of a function",
                        hint="move the `return` to the end",
                    )  # fmt: skip
                parser.statement(stmt)
        if options.get("private", False) and "global_symbol" in attrs:
            parser.fail(
                node, f"`{node.name}` is private and has the global symbol "
                f"{attrs['global_symbol']!r}",
                hint="leave out `private=True` or the attribute",
            )  # fmt: skip
        if "result" not in parser.facts:
            parser.fail(
                node, f"function `{node.name}` returns nothing", hint="end it with `return value`"
            )
        with parser.at(node):
            body = bb._finish(parser.facts["result"])
            _check_result(parser, node, parser.facts.get("told", ret), body.struct_info)
            return Function(
                tuple(params),
                body,
                parser.facts.get("told", ret),
                options.get("pure", True),
                attrs,
                span=parser.span(node),
            )


def _check_result(parser: Parser, node: ast.FunctionDef, told: Any, found: StructInfo) -> None:
    """The annotation of a result must agree with what the body gives."""
    reason = "" if told is None else conflict(told, found)
    if reason:
        parser.fail(
            node.returns or node, f"the result of `{node.name}`: {reason}",
            hint=f"write `-> {found}`, or leave the annotation out",
        )  # fmt: skip


def _module() -> IRModule | None:
    """The module that is being written, to which kernels are added."""
    return IRBuilder.current().facts.get("module") if IRBuilder.is_in_scope() else None


def _signature(parser: Parser, node: ast.FunctionDef) -> tuple[list[Var], StructInfo | None]:
    """Parameters, bound to their names, and the result's struct info if it is told."""
    for stmt in node.body:
        _declare_dimension(parser, stmt)
    params = []
    see = lambda text: dimension(parser, text)  # noqa: E731
    names = [arg.arg for arg in node.args.args]
    hints = parser.facts.setdefault("hints", {})
    for dim in ast.walk(node.args):
        if isinstance(dim, ast.Name) and dim.id not in names:
            hints.setdefault(
                dim.id, f'write the string "{dim.id}", or begin with `{dim.id} = T.int64()`'
            )
    for arg in positional(parser, node):
        if arg.annotation is None:
            parser.fail(
                arg, f"parameter `{arg.arg}` has no annotation",
                hint=f'write `{arg.arg}: R.Tensor((n, 4), "float32")` or `{arg.arg}: R.Object`',
            )  # fmt: skip
        kind = parser.value(arg.annotation)
        with parser.at(arg.annotation):
            params.append(Var(arg.arg, as_info(kind, see), span=parser.span(arg)))
    for param in params:
        parser.bind(param.name_hint, param)
    if node.returns is None:
        return params, None
    kind = parser.value(node.returns)
    with parser.at(node.returns):
        return params, as_info(kind, see)


def _declare_dimension(parser: Parser, stmt: ast.stmt) -> None:
    """Binds `n` before the signature is read, where the body says `n = T.int64()`."""
    if not (isinstance(stmt, ast.Assign) and isinstance(stmt.targets[0], ast.Name)):
        return
    call, name = stmt.value, stmt.targets[0].id
    is_type = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    if not is_type or call.args or _is_dimension(parser, name):  # type: ignore[attr-defined]
        return
    try:
        dtype_of(call.func.attr)  # type: ignore[attr-defined]
    except ArgumentError:
        return
    made = parser.value(call)
    if isinstance(made, TirVar):
        made.name = name  # type: ignore[misc]
        parser.bind(name, made)


def declare(parser: Parser, node: ast.FunctionDef, decorator: Any, gvar: GlobalVar) -> None:
    """Gives a global variable the struct info of its signature, for calls before its body."""
    with parser.using("relax"), parser.scope():
        params, ret = _signature(parser, node)
    infos: Any = tuple(p.struct_info for p in params)
    pure = decorator.options.get("pure", True)
    gvar._struct_info = FuncStructInfo(infos, ret or ObjectStructInfo(), pure)


def _check(made: Any) -> None:
    if isinstance(made, (Function, IRModule)):
        check_well_formed(made, check_struct_info=False)


CHECKS.append(_check)
FUNCTIONS["relax"] = function
DECLARERS["relax"] = declare
