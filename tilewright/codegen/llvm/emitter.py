"""What writes one LLVM function, and the tables of what it does for each class of node.

`EXPRESSIONS`, `STATEMENTS` and `INTRINSICS` are filled by the modules `expressions`, `memory`,
`statements`, `intrinsics` and `calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tilewright.ir.expr import PrimExpr
from tilewright.ir.type import PointerType, PrimType
from tilewright.support.dtypes import ScalableLanes, dtype_of
from tilewright.support.errors import CompileError
from tilewright.support.span import Span
from tilewright.target.machine import MachineModel, model_of
from tilewright.target.target import Target
from tilewright.tir.expr import BinaryOpExpr, Call, Var
from tilewright.tir.function import PrimFunc
from tilewright.tir.stmt import Stmt

from .builder import FunctionBuilder, ModuleBuilder, Value, vector
from .types import value_type

IntrinsicHandler = Callable[["FunctionEmitter", Call], Value]

EXPRESSIONS: dict[type, Callable[..., Value]] = {}
STATEMENTS: dict[type, Callable[..., Stmt | None]] = {}
INTRINSICS: dict[str, IntrinsicHandler] = {}


@dataclass(frozen=True)
class Features:
    """What the machine has that changes the text. `vector_bits` is the widest register;
    `scalable`: there are vectors of `vscale()` times 128 bits; `permute_bits`: the widest register
    whose lanes of 32 bits one instruction permutes by another register, 0 where there is none."""

    has_fma: bool = True
    has_scalef: bool = False
    vector_bits: int = 512
    scalable: bool = False
    permute_bits: int = 0

    @staticmethod
    def of(target: Target | None) -> Features:
        """Of the processor that `target` is for; of this machine's without one."""
        model = MachineModel.of(target) if target is not None else model_of({})
        has = model.has
        permute_bits = 512 if has("avx512f") else 256 if has("avx2") else 0
        return Features(
            model.has_fma, has("avx512f"), model.vector_bits, has("sve"), permute_bits
        )  # fmt: skip


@dataclass
class Context:
    """What the functions of one module share."""

    module: ModuleBuilder
    features: Features
    functions: Mapping[str, PrimFunc] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()
    math: dict[tuple[str, str], str] = field(default_factory=dict)


class FunctionEmitter:
    """Writes one function. Values of variables are found by the variable's identity; a variable
    of an enclosing function is captured: it becomes a parameter."""

    def __init__(self, context: Context, name: str, parent: FunctionEmitter | None = None) -> None:
        self.context = context
        self.name = name
        self.b = FunctionBuilder(context.module)
        self.parent = parent
        self.captured: dict[int, tuple[Value, Value, bool]] = {}
        self.variables: dict[int, Value] = {}
        self.no_alias: set[int] = set()
        self.stack: dict[int, tuple[int, int]] = {}
        """The bytes asked for by each allocation on the stack, and those there are, by variable."""
        self.never_negative: set[int] = set()
        self.cleanups: list[Callable[[], None]] = []
        self.loops: list[tuple[str, str, int]] = []  # where to go on, where out, and cleanups
        self.copies_rows = False  # vector by vector, in loops of unknown length within others
        self.can_fail = False
        self.returns = "void"
        self.in_index = 0
        self.mask: Value | None = None
        self.effects = 0  # loads and calls so far: an expression that made none may be shared
        self._pure: dict[int, Value] = {}
        self._impure: dict[int, Value] = {}
        self._made: list[int] = []

    def lanes(self, dtype: str, span: Span | None = None) -> int:
        """The lanes of `dtype`. Raises `CompileError` if the machine has no such vectors."""
        count = dtype_of(dtype).lanes
        if isinstance(count, ScalableLanes) and not self.context.features.scalable:
            raise CompileError(
                f"the target has no scalable vectors, found {dtype}",
                span,
                hint="vectorize by a constant number of lanes, or for a target with -mattr=+sve",
            )
        return count

    # -- variables

    def bind(self, var: Var, value: Value) -> None:
        """Gives `var` its value. What was computed with another value of it is forgotten."""
        if id(var) in self.variables:
            self._pure.clear()
            self._impure.clear()
        self.variables[id(var)] = value

    def lookup(self, var: Var) -> Value:
        """The value of `var`, captured from an enclosing function if need be."""
        found = self.variables.get(id(var))
        if found is not None:
            return found
        if self.parent is None:
            raise CompileError(
                f"variable `{var.name}` is used in `{self.name}` outside its scope", var.span
            )
        outer = self.parent.lookup(var)
        if outer.ref[0] not in "%":
            return outer
        inner = Value(outer.type, f"%c{len(self.captured)}")
        alone = id(var) in self.parent.no_alias
        self.captured[id(var)] = (inner, outer, alone)
        if alone:
            self.no_alias.add(id(var))
        if self.parent.is_never_negative(var):
            self.never_negative.add(id(var))
        self.variables[id(var)] = inner
        return inner

    def is_bound(self, var: Var) -> bool:
        """Whether `var` has a value here."""
        bound = id(var) in self.variables
        return bound or (self.parent is not None and self.parent.is_bound(var))

    def is_never_negative(self, var: Var) -> bool:
        """Whether `var` is known to be at least zero."""
        return id(var) in self.never_negative or (
            self.parent is not None and self.parent.is_never_negative(var)
        )

    # -- expressions

    def expr(self, node: PrimExpr) -> Value:
        """The value of `node`, emitted once for all its uses that its first one dominates."""
        key = id(node)
        found = self._pure.get(key) or self._impure.get(key)
        if found is not None:
            return found
        if isinstance(node, BinaryOpExpr):
            self._left_spine(node)
        handler = EXPRESSIONS.get(type(node))
        if handler is None:
            raise CompileError(
                f"`{self.name}` contains a {type(node).__name__}, which has no meaning in "
                "lowered code",
                node.span,
            )
        before = self.effects
        value = handler(self, node)
        memo = self._pure if self.effects == before else self._impure
        memo[key] = value
        self._made.append(key)
        return value

    def share(self, node: PrimExpr, value: Value) -> None:
        """Says that `node`, without effects, has this value in all that the current block
        dominates."""
        self._pure[id(node)] = value
        self._made.append(id(node))

    def _left_spine(self, node: BinaryOpExpr) -> None:
        """Emits the left operands of a long chain from the inside, so that none recurses far."""
        chain: list[PrimExpr] = []
        inner: PrimExpr = node.a
        while isinstance(inner, BinaryOpExpr) and id(inner) not in self._pure:
            chain.append(inner)
            inner = inner.a
        if len(chain) > 50:
            for part in reversed(chain):
                self.expr(part)

    def index(self, node: PrimExpr) -> Value:
        """The value of an index: its arithmetic is known not to overflow."""
        self.in_index += 1
        value = self.expr(node)
        self.in_index -= 1
        return value

    @property
    def wrap_flags(self) -> str:
        """The flags of integer arithmetic here."""
        return " nsw" if self.in_index else ""

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Code that may not run: what it computes is not known outside."""
        mark = len(self._made)
        self._impure.clear()
        yield
        for key in self._made[mark:]:
            self._pure.pop(key, None)
        del self._made[mark:]
        self._impure.clear()

    @contextmanager
    def masked_by(self, mask: Value | None) -> Iterator[None]:
        """Vectors are loaded in the lanes that `mask` wants; None: in all. What was loaded under
        another mask is not used again."""
        before = self.mask
        changed = (mask and mask.ref) != (before and before.ref)
        if changed:
            self._impure.clear()
        self.mask = mask
        yield
        self.mask = before
        if changed:
            self._impure.clear()

    def effect(self) -> None:
        """Says that memory may have changed: loads are made anew from here on."""
        self.effects += 1
        self._impure.clear()

    # -- statements

    def stmt(self, node: Stmt | None) -> None:
        """Emits a statement. A handler returns the statement to go on with, if any, so that long
        nests of declarations do not recurse; what it put on `cleanups` runs at the end."""
        mark = len(self.cleanups)
        while node is not None:
            self._impure.clear()
            handler = STATEMENTS.get(type(node))
            if handler is None:
                raise CompileError(
                    f"`{self.name}` contains a {type(node).__name__}, which should have been "
                    "lowered before code generation",
                    node.span,
                )
            node = handler(self, node)
        while len(self.cleanups) > mark:
            self.cleanups.pop()()

    def leave(self, value: Value | None = None) -> None:
        """Returns from the function, giving allocations back; goes on in an unreachable block."""
        for cleanup in reversed(self.cleanups):
            cleanup()
        self.b.do(f"ret {value}" if value is not None else "ret void")
        self.b.start(self.b.label("after"))

    def jump_out(self, which: int, span: Span | None) -> None:
        """Goes on with the next iteration (0) or leaves the innermost loop (1)."""
        if not self.loops or not self.loops[-1][which]:
            raise CompileError("`break` and `continue` need a serial loop around them", span)
        target, kept = self.loops[-1][which], self.loops[-1][2]
        for cleanup in reversed(self.cleanups[kept:]):
            cleanup()
        self.b.jump(str(target))
        self.b.start(self.b.label("after"))

    def fail_if(
        self, bad: Value, raise_error: Callable[[], None], *, inverted: bool = False
    ) -> None:
        """Leaves with -1 after `raise_error()` if `bad`."""
        failed, fine = self.b.label("failed"), self.b.label("fine")
        first, second = (fine, failed) if inverted else (failed, fine)
        self.b.branch(bad, first, second)
        self.b.start(failed)
        raise_error()
        self.leave(Value("i32", "-1"))
        self.b.do("unreachable")
        self.b.start(fine)


def parameter_type(dtype: str) -> str:
    """The LLVM type in which a value of `dtype` crosses a call: as C has it."""
    info = dtype_of(dtype)
    return vector("bfloat", info.lanes) if info.code == "bfloat" else value_type(dtype)


def function_attributes(features: Features, *, copies_rows: bool = False) -> str:
    """The attributes of every function with a body. Of one that copies rows of unknown length LLVM
    may not make calls of `memcpy` and `memset`: for a few vectors a call costs more than it saves,
    and it leaves no vector in a register."""
    text = f'nounwind "prefer-vector-width"="{features.vector_bits}"'
    return f'"no-builtin-memcpy" "no-builtin-memset" {text}' if copies_rows else text


def return_type(func: PrimFunc) -> str:
    """The LLVM type that a function that cannot fail returns."""
    if isinstance(func.ret_type, PrimType):
        return value_type(func.ret_type.dtype)
    return "ptr" if isinstance(func.ret_type, PointerType) else "void"


def lanes(node: PrimExpr) -> int:
    """The lanes of an expression's value."""
    return dtype_of(node.dtype).lanes
