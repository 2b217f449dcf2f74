"""How a primitive is declared. Its method, its trace instruction and their text follow from it.

    @primitive
    def parallel(state: ScheduleState, loop: Loop) -> None:
        '''for i in serial(n)   ->   for i in parallel(n)'''

The annotations say what each argument is: `Loop`, `Block` and `Expr` are random variables in
the user's hands, and handles and integers in the function's; lists of them are allowed; all else
is an attribute. The result is nothing, a handle, an integer, or a list of them.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias, TypeVar, overload

from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError, ArgumentTypeError
from .rv import BlockRV, Identity, LoopRV
from .sref import StmtSRef

if TYPE_CHECKING:
    from .schedule import Schedule

Accept = Callable[["Schedule", Any, dict[str, Any]], Any]


def _alone(value: Any) -> tuple[Any, ...]:
    return (value,)


def _first(parts: tuple[Any, ...]) -> Any:
    return parts[0]


@dataclass(frozen=True)
class Role:
    """What an argument is for the user (`accept` turns it into what primitives take).

    `parts` are the entries that stand for it in a trace's instruction, `width` of them; `whole`
    makes the argument of these again.
    """

    noun: str
    is_input: bool
    accept: Accept
    rv: str = ""
    width: int = 1
    parts: Callable[[Any], tuple[Any, ...]] = _alone
    whole: Callable[[tuple[Any, ...]], Any] = _first


def _accept_block(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
    if isinstance(value, str):
        return schedule.get_block(value)
    if isinstance(value, BlockRV):
        return value
    raise ArgumentTypeError(f"expected a BlockRV or the name of a block, found {_kind(value)}")


def _accept_loop(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
    if isinstance(value, LoopRV):
        return value
    raise ArgumentTypeError(f"expected a LoopRV, found {_kind(value)}")


def _accept_either(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
    if isinstance(value, LoopRV):
        return value
    return _accept_block(schedule, value, given)


def _accept_loop_or_blocks(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
    if isinstance(value, LoopRV):
        return value
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ArgumentTypeError(f"expected a LoopRV or a list of blocks, found {_kind(value)}")
    return tuple(_accept_block(schedule, v, given) for v in value)


def _accept_expr(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
    if isinstance(value, PrimExpr):
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentTypeError(f"expected an integer or an ExprRV, found {_kind(value)}")
    return int(value)


def _accept_any(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
    return value


def _kind(value: object) -> str:
    return type(value).__name__


Block: TypeAlias = Annotated[StmtSRef, Role("a block", True, _accept_block, "block")]
Loop: TypeAlias = Annotated[StmtSRef, Role("a loop", True, _accept_loop, "loop")]
BlockOrLoop: TypeAlias = Annotated[StmtSRef, Role("a block or loop", True, _accept_either, "any")]
LoopOrBlocks: TypeAlias = Annotated[
    "StmtSRef | list[StmtSRef]",
    Role("a loop or a list of blocks", True, _accept_loop_or_blocks, "any"),
]
Expr: TypeAlias = Annotated[Any, Role("an integer", True, _accept_expr, "expr")]
"""For the function an `int`, or a `PrimExpr` if the program's own sizes are in it."""

Value: TypeAlias = Annotated[Any, Role("a value", True, _accept_any, "value")]
"""Plain data in which random integers may stand."""

_PLAIN: dict[type, tuple[str, tuple[type, ...]]] = {
    int: ("an integer", (int,)),
    bool: ("True or False", (bool, int)),
    str: ("a string", (str,)),
    float: ("a number", (float, int)),
}


def _plain_role(kind: type) -> Role:
    noun, allowed = _PLAIN[kind]

    def accept(schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
        if kind is not bool and isinstance(value, bool):
            raise ArgumentTypeError(f"expected {noun}, found bool")
        if not isinstance(value, allowed) and not (kind is int and hasattr(value, "__index__")):
            raise ArgumentTypeError(f"expected {noun}, found {_kind(value)}")
        return kind(value)

    return Role(noun, False, accept, whole=lambda parts: kind(parts[0]))


_ANY = Role("a value", False, _accept_any)


@dataclass(frozen=True)
class Param:
    """One argument of a primitive, as its annotation declares it."""

    name: str
    role: Role
    is_list: bool
    is_optional: bool
    is_variadic: bool
    may_hold_none: bool
    default: Any

    def accept(self, schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
        """The value that the trace keeps. Raises `ArgumentError` naming the argument."""
        try:
            return self._accept(schedule, value, given)
        except ArgumentError as error:
            raise type(error)(
                f"argument `{self.name}`: {error.message}", note=error.note, hint=error.hint
            ) from None

    def _accept(self, schedule: Schedule, value: Any, given: dict[str, Any]) -> Any:
        if value is None and self.is_optional:
            return None
        if not self.is_list and not self.is_variadic:
            return self.role.accept(schedule, value, given)
        if isinstance(value, str) or not isinstance(value, Iterable):
            if self.role.rv in ("block", "any") and value is not None:
                return (self.role.accept(schedule, value, given),)
            raise ArgumentTypeError(f"expected a list, each {self.role.noun}, found {_kind(value)}")
        return tuple(
            None if item is None and self.may_hold_none else self.role.accept(schedule, item, given)
            for item in value
        )


def _param(name: str, hint: Any, parameter: inspect.Parameter) -> Param:
    optional = is_list = may_hold_none = False
    args = typing.get_args(hint)
    if type(None) in args:
        optional = True
        rest = [a for a in args if a is not type(None)]
        hint = rest[0] if len(rest) == 1 else Any
    if typing.get_origin(hint) is list:
        is_list = True
        (hint,) = typing.get_args(hint)
        inner = typing.get_args(hint)
        if type(None) in inner:
            may_hold_none = True
            hint = next(a for a in inner if a is not type(None))
    role = _ANY
    if typing.get_origin(hint) is Annotated:
        role = next(m for m in hint.__metadata__ if isinstance(m, Role))
    elif hint in _PLAIN:
        role = _plain_role(hint)
    elif is_list:
        is_list = False
    variadic = parameter.kind is inspect.Parameter.VAR_POSITIONAL
    return Param(name, role, is_list, optional, variadic, may_hold_none, parameter.default)


@dataclass(frozen=True, eq=False)
class InstructionKind(Identity):
    """A primitive: its name in traces, its arguments and what it does."""

    name: str
    method: str
    function: Callable[..., Any]
    params: tuple[Param, ...]
    is_sampling: bool
    is_pure: bool
    signature: inspect.Signature
    doc: str
    result: str = ""
    inputs: frozenset[str] = frozenset()
    """Arguments that traces list among the inputs though they hold no random variables."""
    spread: str = ""
    """The list whose items traces put among the inputs one by one."""

    registry: ClassVar[dict[str, InstructionKind]] = {}

    @staticmethod
    def get(name: str) -> InstructionKind:
        """The kind called `name`, such as `ComputeAt`."""
        known = InstructionKind.registry.get(name)
        if known is None:
            raise ArgumentError(f"no schedule instruction is called {name!r}")
        return known

    def is_traced_input(self, param: Param) -> bool:
        """Whether traces list the argument among the inputs."""
        return param.role.is_input or param.name in self.inputs

    @property
    def is_postproc(self) -> bool:
        """True for the mark after which post-processors act."""
        return self.name == "EnterPostproc"

    def __repr__(self) -> str:
        return f"InstructionKind({self.name})"


@dataclass(eq=False)
class Instruction(Identity):
    """One step of a trace: `inputs` are random variables and numbers, `attrs` plain data."""

    kind: InstructionKind
    inputs: list[Any] = field(default_factory=list)
    attrs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)

    def values(self) -> dict[str, Any]:
        """The arguments by name."""
        given, attrs = iter(self.inputs), iter(self.attrs)
        out: dict[str, Any] = {}
        for p in self.kind.params:
            if p.is_variadic or p.name == self.kind.spread:
                out[p.name] = tuple(given)
                continue
            source = given if self.kind.is_traced_input(p) else attrs
            parts = tuple(next(source) for _ in range(p.role.width))
            out[p.name] = parts[0] if p.is_list or parts[0] is None else p.role.whole(parts)
        return out

    def __str__(self) -> str:
        return STATEMENT[0](self) if STATEMENT else self.kind.name


def instruction_of(
    kind: InstructionKind, values: dict[str, Any], outputs: list[Any]
) -> Instruction:
    """The trace's record of `kind` called with `values`."""
    inputs: list[Any] = []
    attrs: list[Any] = []
    spread: list[Any] = []
    for p in kind.params:
        value = values[p.name]
        if p.is_variadic or p.name == kind.spread:
            spread = list(value)
        else:
            parts = (value,) if p.is_list or value is None else p.role.parts(value)
            (inputs if kind.is_traced_input(p) else attrs).extend(parts)
    return Instruction(kind, inputs + spread, attrs, outputs)


STATEMENT: list[Callable[[Instruction], str]] = []
"""How an instruction reads as Python, put here by `trace_text`, which stands above this module."""

METHODS: dict[str, InstructionKind] = {}
"""Every primitive by the name of its method on `Schedule`."""


F = TypeVar("F", bound=Callable[..., Any])


@overload
def primitive(function: F) -> F: ...
@overload
def primitive(
    *,
    sampling: bool = False,
    pure: bool = False,
    name: str = "",
    inputs: tuple[str, ...] = (),
    spread: str = "",
) -> Callable[[F], F]: ...


def primitive(
    function: Any = None,
    *,
    sampling: bool = False,
    pure: bool = False,
    name: str = "",
    inputs: tuple[str, ...] = (),
    spread: str = "",
) -> Any:
    """Declares a primitive; the function stays as it is.

    `sampling`: it takes `rand` and `decision` by keyword and returns its result and the decision
    made. `pure`: it looks and does not change the program. `name`: of its instructions, if not that
    of the function in camel case; `inputs` and `spread`: see `InstructionKind`.
    """
    if function is None:
        return lambda f: _declare(f, sampling, pure, name, inputs, spread)
    return _declare(function, sampling, pure, name, inputs, spread)


def _declare(
    function: F, sampling: bool, pure: bool, name: str, inputs: tuple[str, ...], spread: str
) -> F:
    hints = typing.get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    params = []
    shown = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    for key, parameter in list(signature.parameters.items())[1:]:
        if sampling and key == "rand":
            continue
        if sampling and key == "decision":
            parameter = parameter.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
        shown.append(parameter)
        if not (sampling and key == "decision"):
            params.append(_param(key, hints[key], parameter))
    method = function.__name__.rstrip("_")
    kind = InstructionKind(
        name=name or "".join(part.capitalize() for part in method.split("_")),
        method=method,
        function=function,
        params=tuple(params),
        is_sampling=sampling,
        is_pure=pure or sampling,
        signature=signature.replace(parameters=shown),
        doc=inspect.getdoc(function) or "",
        result="list" if typing.get_origin(hints.get("return")) is list else "",
        inputs=frozenset(inputs),
        spread=spread,
    )
    InstructionKind.registry[kind.name] = METHODS[method] = kind
    return function
