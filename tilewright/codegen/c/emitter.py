"""What writes one C function, and the tables of what it does for each class of node.

`EXPRESSIONS`, `STATEMENTS` and `INTRINSICS` are filled by the modules `expressions`, `memory`,
`statements`, `intrinsics` and `calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tilewright.ir.expr import FloatImm, GlobalVar, IntImm, PrimExpr
from tilewright.ir.node import Node, children
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import CompileError
from tilewright.support.span import Span
from tilewright.tir.expr import BufferLoad, Call, CallEffectKind, StringImm, Var
from tilewright.tir.function import PrimFunc
from tilewright.tir.stmt import Stmt

from .helpers import define
from .names import Names, function_name
from .types import value_type

LANE = "lane"
"""The variable of every loop over the lanes of a vector."""
LONGEST = 300
"""Characters of an expression that is written in place; a longer one gets a variable."""
_LEAVES = (Var, IntImm, FloatImm, StringImm)


@dataclass(frozen=True)
class Value:
    """A C expression without effects, safe to stand anywhere; of a vector, the one of lane
    `lane`."""

    text: str
    dtype: str

    @property
    def lanes(self) -> int:
        """The lanes of the value."""
        return dtype_of(self.dtype).lanes


IntrinsicHandler = Callable[["FunctionEmitter", Call], Value]

EXPRESSIONS: dict[type, Callable[..., Value]] = {}
STATEMENTS: dict[type, Callable[..., Stmt | None]] = {}
INTRINSICS: dict[str, IntrinsicHandler] = {}


@dataclass
class Context:
    """What the functions of one source share."""

    functions: Mapping[str, PrimFunc] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()
    helpers: dict[str, str] = field(default_factory=dict)
    externs: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    constants: list[str] = field(default_factory=list)

    def helper(self, kind: str, dtype: str, source: str = "") -> str:
        """The name of a helper function, defined in the source's head."""
        return define(self.helpers, kind, dtype_of(dtype).element, source)


class FunctionEmitter:
    """Writes the body of one function."""

    def __init__(self, context: Context, name: str) -> None:
        self.context = context
        self.name = name
        self.names = Names(map(function_name, context.functions))
        self.lines: list[str] = []
        self.depth = 1
        self.variables: dict[Var, Value] = {}
        self.cleanups: list[str] = []
        self.loops: list[int] = []  # the cleanups outside of each loop
        self.can_fail = False
        self.returns = "void"
        self.separate = False
        self.in_index = 0
        self.mask: str | None = None  # the array of the lanes that are wanted
        self.strict = False  # loads happen where they are written: something else writes memory
        self.loads: list[BufferLoad] = []
        self._uses: dict[int, int] = {}
        self._memo: dict[int, Value] = {}
        self._active = 0

    # -- text

    @contextmanager
    def masked_by(self, mask: str | None) -> Iterator[None]:
        """Vectors are computed in the lanes that `mask` wants; None: in all."""
        before, known = self.mask, self._memo
        self.mask = mask
        self._memo = {} if mask != before else known
        yield
        self.mask, self._memo = before, known

    def line(self, text: str) -> None:
        """Writes one line."""
        self.lines.append("  " * self.depth + text)

    @contextmanager
    def block(self, header: str, last: str = "}") -> Iterator[None]:
        """`header { ... }`; what is computed inside is not known outside."""
        self.line(f"{header} {{")
        self.depth += 1
        with self.scope():
            yield
        self.depth -= 1
        self.line(last)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Code that may not run: its variables are not known outside."""
        known = dict(self._memo)
        yield
        self._memo = known

    @contextmanager
    def captured(self) -> Iterator[list[str]]:
        """Lines go into the list that this gives."""
        before, self.lines = self.lines, []
        try:
            with self.scope():
                yield self.lines
        finally:
            self.lines = before

    # -- variables

    def bind(self, var: Var, value: Value) -> None:
        """Gives `var` its value."""
        self.variables[var] = value

    def lookup(self, var: Var) -> Value:
        """The value of `var`."""
        found = self.variables.get(var)
        if found is None:
            raise CompileError(
                f"variable `{var.name}` is used in `{self.name}` outside its scope", var.span
            )
        return found

    def declare(self, name: str, dtype: str) -> Value:
        """A new variable without a value: of a vector, an array."""
        made = self.names.new(name)
        lanes = dtype_of(dtype).lanes
        kind = value_type(dtype)
        space = "" if kind.endswith("*") else " "
        if lanes == 1:
            self.line(f"{kind}{space}{made};")
            return Value(made, dtype)
        self.line(f"{kind}{space}{made}[{lanes}];")
        return Value(f"{made}[{LANE}]", dtype)

    def assign(self, variable: Value, value: Value) -> None:
        """Sets a declared variable; of a vector, the lanes that the mask wants."""
        if variable.lanes == 1:
            self.line(f"{variable.text} = {value.text};")
            return
        chosen = f"if ({self.mask}[{LANE}]) " if self.mask else ""
        self.each_lane(variable.lanes, f"{chosen}{variable.text} = {value.text};")

    def temp(self, value: Value, name: str = "t") -> Value:
        """`value` computed here, once."""
        if value.lanes == 1:
            made = self.names.new(name)
            kind = value_type(value.dtype)
            space = "" if kind.endswith("*") else " "
            head = f"{kind}const {made}" if not space else f"const {kind} {made}"
            self.line(f"{head} = {value.text};")
            return Value(made, value.dtype)
        variable = self.declare(name, value.dtype)
        if self.mask:
            value = Value(f"{self.mask}[{LANE}] ? {value.text} : 0", value.dtype)
        self.each_lane(value.lanes, f"{variable.text} = {value.text};")
        return variable

    def array(self, value: Value, name: str = "t") -> str:
        """The name of an array that holds the lanes of a vector."""
        suffix = f"[{LANE}]"
        text = value.text
        if text.endswith(suffix) and text[: -len(suffix)] in self.names:
            return text[: -len(suffix)]
        return self.temp(value, name).text[: -len(suffix)]

    def each_lane(self, lanes: int, body: str) -> None:
        """A loop over the lanes of a vector."""
        self.line(f"for (int {LANE} = 0; {LANE} < {lanes}; ++{LANE}) {body}")

    # -- expressions

    def expr(self, node: PrimExpr) -> Value:
        """The value of `node`; what occurs in it several times is computed once."""
        found = self._memo.get(id(node))
        if found is not None:
            return found
        if self._active == 0:
            self._survey(node)
        handler = EXPRESSIONS.get(type(node))
        if handler is None:
            raise CompileError(
                f"`{self.name}` contains a {type(node).__name__}, which has no meaning in "
                "lowered code",
                node.span,
            )
        self._active += 1
        try:
            value = handler(self, node)
        finally:
            self._active -= 1
        if not isinstance(node, _LEAVES):
            shared = self._uses.get(id(node), 0) > 1 and not self.strict
            if shared or len(value.text) > LONGEST:
                value = self.temp(value)
                if shared:
                    self._memo[id(node)] = value
        return value

    def _survey(self, root: PrimExpr) -> None:
        """Counts the uses of each node of an expression, and sees whether calls write memory."""
        self._uses, self.strict = {}, False
        pending: list[Node] = [root]
        while pending:
            node = pending.pop()
            count = self._uses.get(id(node), 0)
            self._uses[id(node)] = count + 1
            if count or isinstance(node, _LEAVES):
                continue
            if isinstance(node, Call) and node is not root and _writes(node):
                self.strict = True
            if isinstance(node, BufferLoad):
                pending.extend(node.indices)
                if node.predicate is not None:
                    pending.append(node.predicate)
            elif isinstance(node, PrimExpr):
                pending.extend(children(node))

    def index(self, node: PrimExpr) -> Value:
        """The value of an index: its arithmetic is known not to overflow."""
        self.in_index += 1
        value = self.expr(node)
        self.in_index -= 1
        return value

    def arm(self, node: PrimExpr) -> tuple[Value, list[str]]:
        """The value of a part that is computed only if asked for, and the lines before it."""
        with self.captured() as lines:
            value = self.expr(node)
        return value, lines

    # -- statements

    def stmt(self, node: Stmt | None) -> None:
        """Writes a statement. A handler returns the statement to go on with, if any, so that long
        nests of declarations do not recurse; what it put on `cleanups` runs at the end."""
        mark = len(self.cleanups)
        while node is not None:
            self._memo.clear()
            self.loads.clear()
            handler = STATEMENTS.get(type(node))
            if handler is None:
                raise CompileError(
                    f"`{self.name}` contains a {type(node).__name__}, which should have been "
                    "lowered before code generation",
                    node.span,
                )
            node = handler(self, node)
        while len(self.cleanups) > mark:
            self.line(self.cleanups.pop())

    def leave(self, value: str = "") -> None:
        """Returns from the function, giving allocations back."""
        for cleanup in reversed(self.cleanups):
            self.line(cleanup)
        self.line(f"return {value};" if value else "return;")

    def jump_out(self, word: str, span: Span | None) -> None:
        """`break` or `continue` of the innermost loop."""
        if not self.loops:
            raise CompileError("`break` and `continue` need a serial loop around them", span)
        for cleanup in reversed(self.cleanups[self.loops[-1] :]):
            self.line(cleanup)
        self.line(f"{word};")

    def fail_if(self, condition: str, *raising: str) -> None:
        """Leaves with -1 after the statements `raising` if `condition`."""
        with self.block(f"if ({condition})"):
            for text in raising:
                self.line(text)
            self.leave("-1")


def _writes(node: Call) -> bool:
    effect = None if isinstance(node.op, GlobalVar) else node.op.get_attr("effect")
    return effect is None or effect > CallEffectKind.ReadState


def has_effect(node: Call) -> bool:
    """Whether a call may do more than compute its value."""
    return _writes(node)
