"""`tir.Schedule`: a module of loop programs with the primitives that transform it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ...ir.expr import GlobalVar, IntImm, PrimExpr
from ...ir.module import IRModule
from ...support.errors import ArgumentError, ArgumentTypeError, ScheduleError
from ..expr import Var
from ..function import PrimFunc
from ..index_map import IndexMap
from ..stmt import Block, For
from .instruction import METHODS, InstructionKind, Param, instruction_of
from .layout_args import split_off_separators
from .refusal import Refusal, describe, schedule_error
from .rewrite import substitute
from .rv import BlockRV, LoopRV
from .sref import StmtSRef
from .state import ScheduleState, require_function
from .trace import Trace

RV = BlockRV | LoopRV | PrimExpr
LEVELS = ("detail", "fast", "none")


class UnknownRandomVariable(ScheduleError, IndexError):
    """A random variable of another schedule, or one that has been removed."""


def _of(kind: InstructionKind, error: ArgumentError) -> ArgumentError:
    """The error, said to be of the primitive."""
    return type(error)(f"{kind.method}: {error.message}", note=error.note, hint=error.hint)


class Schedule:
    """A program under transformation. Each primitive is a method; all are listed in `primitives/`.

    A primitive whose conditions do not hold raises `ScheduleError` and changes nothing.
    `error_render_level`: "detail" shows the function with the culprit marked, "fast" only says
    what is wrong, "none" only which primitive failed.
    """

    def __init__(
        self,
        mod: PrimFunc | IRModule,
        *,
        seed: int | None = None,
        debug_mask: int | str = "none",
        error_render_level: str = "detail",
        enable_check: bool = True,
    ) -> None:
        if error_render_level not in LEVELS:
            raise ArgumentError(
                f"error_render_level must be one of {', '.join(LEVELS)}, "
                f"found {error_render_level!r}"
            )
        if not isinstance(enable_check, (bool, int)):
            raise ArgumentTypeError(f"`enable_check` is a bool, found {enable_check!r}")
        self.state = ScheduleState(mod, debug_mask=debug_mask, enable_check=enable_check)
        self.error_render_level = error_render_level
        self.func_working_on: GlobalVar | None = None
        self._trace: Trace | None = Trace()
        self._symbols: dict[Any, Any] = {}
        self._handles: dict[StmtSRef, StmtSRef] = {}
        self._random = random.Random()
        self.seed(seed)

    @staticmethod
    def _create_non_traced(
        mod: PrimFunc | IRModule,
        *,
        seed: int | None = None,
        debug_mask: int | str = "none",
        error_render_level: str = "detail",
        enable_check: bool = True,
    ) -> Schedule:
        """A schedule that keeps no trace."""
        made = Schedule(
            mod, seed=seed, debug_mask=debug_mask, error_render_level=error_render_level,
            enable_check=enable_check,
        )  # fmt: skip
        made._trace = None
        return made

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]: ...

    # ---- what it holds ----------------------------------------------------------------------

    @property
    def mod(self) -> IRModule:
        """The module as it is now."""
        return self.state.mod

    @property
    def func(self) -> PrimFunc:
        """The function worked on (see `work_on`), as it is now."""
        made: PrimFunc = self.mod[require_function(self.mod, None, self.func_working_on)]
        return made

    @property
    def trace(self) -> Trace | None:
        """What has been done so far."""
        return self._trace

    def work_on(self, func_name: str) -> None:
        """Makes `func_name` the function in which blocks are looked up."""
        self.func_working_on = self.mod.get_global_var(require_function(self.mod, func_name, None))

    def copy(self) -> Schedule:
        """A schedule of the same program with the same random variables, to go on apart."""
        made: Schedule = object.__new__(type(self))
        made.state, twin = self.state.copy()
        made.error_render_level = self.error_render_level
        made.func_working_on = self.func_working_on
        made._trace = self._trace.copy() if self._trace is not None else None
        made._symbols = {
            rv: twin.get(v, v if v.is_mark else StmtSRef(None, None))
            if isinstance(v, StmtSRef)
            else v
            for rv, v in self._symbols.items()
        }
        made._random = random.Random(self.fork_seed())
        return made

    def seed(self, seed: int | None) -> None:
        """Restarts the random numbers from `seed`; None or -1: from the system's."""
        if seed is not None and not isinstance(seed, int):
            raise ArgumentTypeError(f"`seed` of a schedule is an integer or None, found {seed!r}")
        self._random.seed(None if seed is None or seed == -1 else seed)

    def fork_seed(self) -> int:
        """A seed for another schedule."""
        return self._random.randrange(1, 2**31)

    def show(self, *args: Any, **options: Any) -> None:
        """Prints the module and the trace."""
        self.mod.show(*args, **options)
        if self._trace is not None:
            self._trace.show()

    # ---- random variables -------------------------------------------------------------------

    def get_sref(self, rand_var_or_stmt: BlockRV | LoopRV | Block | For) -> StmtSRef:
        """The handle that a random variable, or a statement of the program, stands for."""
        if isinstance(rand_var_or_stmt, (Block, For)):
            found = self.state.get_sref(rand_var_or_stmt)
            if found is None:
                raise ScheduleError("the statement is not a block or loop of the scheduled program")
            return found
        found = self._symbols.get(rand_var_or_stmt)
        if found is None:
            raise UnknownRandomVariable(
                f"{rand_var_or_stmt!r} is not a block or loop of this schedule",
                hint="it may come from another schedule, or have been removed by remove_rv",
            )
        if found.stmt is None and not found.is_mark:
            raise ScheduleError(
                f"the {'block' if isinstance(rand_var_or_stmt, BlockRV) else 'loop'} is no longer "
                "in the program: a primitive has replaced it",
                hint="look it up again with get_block or get_loops",
            )
        handle: StmtSRef = found
        return handle

    def get(self, rand_var_or_sref: RV | StmtSRef) -> Any:
        """The block, loop or integer (an `int` if it is constant) that stands behind a random
        variable or handle."""
        if isinstance(rand_var_or_sref, StmtSRef):
            return rand_var_or_sref.stmt
        if isinstance(rand_var_or_sref, PrimExpr):
            return self._evaluate(rand_var_or_sref)
        return self.get_sref(rand_var_or_sref).stmt

    def remove_rv(self, rand_var: RV) -> None:
        """Forgets a random variable."""
        if self._symbols.pop(rand_var, None) is None:
            raise UnknownRandomVariable(f"{rand_var!r} is not a random variable of this schedule")

    def _evaluate(self, value: Any) -> Any:
        """An integer if all random variables in `value` are known, else an expression."""
        if isinstance(value, PrimExpr):
            from .poly import variables_in

            value = substitute(value, self._known(variables_in(value)))
            if isinstance(value, IntImm):
                return value.value
        return value

    def _resolve(self, param: Param, value: Any) -> Any:
        if isinstance(value, IndexMap):
            return value.with_values(self._known(value.free_variables))
        if value is None or not param.role.is_input:
            return value
        if param.is_list or param.is_variadic:
            return [self._resolve_one(param, item) for item in value]
        return self._resolve_one(param, value)

    def _resolve_one(self, param: Param, value: Any) -> Any:
        if value is None:
            return None
        if param.role.rv == "value":
            return self._evaluate_all(value)
        if isinstance(value, tuple):
            return [self.get_sref(item) for item in value]
        return self._evaluate(value) if param.role.rv == "expr" else self.get_sref(value)

    def _known(self, variables: Iterable[Var]) -> dict[Var, PrimExpr]:
        """What the random variables among `variables` stand for."""
        values = {v: self._symbols[v] for v in variables if v in self._symbols}
        return {v: IntImm(v.dtype, n) if isinstance(n, int) else n for v, n in values.items()}

    def _evaluate_all(self, value: Any) -> Any:
        """Plain data with the random integers in it evaluated."""
        if isinstance(value, (list, tuple)):
            return tuple(self._evaluate_all(v) for v in value)
        if isinstance(value, dict):
            return {k: self._evaluate_all(v) for k, v in value.items()}
        return self._evaluate(value)

    def _new_rv(self, value: Any) -> Any:
        if isinstance(value, StmtSRef):
            rv: Any = BlockRV() if value.is_block else LoopRV()
        else:
            rv = Var("v", value.dtype if isinstance(value, PrimExpr) else "int32")
        self._symbols[rv] = value
        return rv

    def can_decompose_padding(self, block: BlockRV, loop: LoopRV) -> bool:
        """True if `decompose_padding(block, loop)` would succeed."""
        try:
            self.copy().decompose_padding(block, loop)
        except ScheduleError:
            return False
        return True

    # ---- primitives -------------------------------------------------------------------------

    def invoke(self, kind: InstructionKind, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Calls a primitive as its method does."""
        try:
            bound = kind.signature.bind(self, *args, **options)
        except TypeError as error:
            raise ArgumentError(f"{kind.method}: {error}") from None
        bound.apply_defaults()
        decision = bound.arguments.pop("decision", None) if kind.is_sampling else None
        separators = []
        if kind.method == "transform_layout":
            separators = split_off_separators(self, bound.arguments)
        values: dict[str, Any] = {}
        try:
            for param in kind.params:
                given = bound.arguments[param.name]
                values[param.name] = param.accept(self, given, values)
        except ArgumentError as error:
            raise _of(kind, error) from None
        outputs, result = self._run(kind, values, decision)
        if separators:
            self.set_axis_separator(values["block"], values["buffer"], separators)
        return None if result is None else outputs if result == "list" else outputs[0]

    def apply(self, kind: InstructionKind, values: dict[str, Any], decision: Any) -> list[Any]:
        """Calls a primitive with what a trace keeps; its results as a list."""
        return self._run(kind, values, decision)[0]

    def _run(
        self, kind: InstructionKind, values: dict[str, Any], decision: Any
    ) -> tuple[list[Any], str | None]:
        positional: list[Any] = []
        keyword: dict[str, Any] = {}
        for p in kind.params:
            value = self._resolve(p, values[p.name])
            if p.is_variadic:
                positional += value
            else:
                keyword[p.name] = value
        if kind.is_sampling:
            keyword.update(rand=self._random, decision=decision)
        if kind.method == "get_block":
            keyword["func_name"] = self._function_name(values)
        result = self._guarded(kind, positional, keyword)
        if kind.is_sampling:
            result, decision = result
        is_list = isinstance(result, (list, tuple))
        outputs = [] if result is None else [self._new_rv(r) for r in
                                             (result if is_list else (result,))]  # fmt: skip
        if self._trace is not None:
            self._trace.append(instruction_of(kind, values, outputs), decision)
        return outputs, None if result is None else "list" if is_list else "one"

    def _function_name(self, values: dict[str, Any]) -> str:
        values["func_name"] = name = require_function(
            self.mod, values["func_name"], self.func_working_on
        )
        return name

    def _require_one_function(
        self, kind: InstructionKind, positional: list[Any], keyword: dict[str, Any]
    ) -> None:
        """Raises if the blocks and loops given are of different functions."""
        given = [*positional, *keyword.values()]
        given += [v for item in given if isinstance(item, list) for v in item]
        places = [v for v in given if isinstance(v, StmtSRef) and v.stmt is not None]
        if len(places) < 2 or len(self.state.roots) < 2:
            return
        first = self.state.function_of(places[0])[0]
        for place in places[1:]:
            other = self.state.function_of(place)[0]
            if other is not first and place.stmt is not None and places[0].stmt is not None:
                raise ScheduleError(
                    f"{kind.method}: {describe(place.stmt)} is in the function "
                    f"`{other.name_hint}`, {describe(places[0].stmt)} in `{first.name_hint}`",
                    hint="a primitive works within one function",
                )

    def _guarded(
        self, kind: InstructionKind, positional: list[Any], keyword: dict[str, Any]
    ) -> Any:
        self._require_one_function(kind, positional, keyword)
        if kind.is_pure:
            try:
                return kind.function(self.state, *positional, **keyword)
            except Refusal as refusal:
                raise self._error(kind, refusal, [*positional, *keyword.values()]) from None
            except ArgumentError as error:
                raise _of(kind, error) from None
        taken = self.state.snapshot()
        try:
            made = kind.function(self.state, *positional, **keyword)
            self.state.debug_verify()
            return made
        except Refusal as refusal:
            self.state.restore(taken)
            raise self._error(kind, refusal, [*positional, *keyword.values()]) from None
        except ArgumentError as error:
            self.state.restore(taken)
            raise _of(kind, error) from None
        except BaseException:
            self.state.restore(taken)
            raise

    def _error(self, kind: InstructionKind, refusal: Refusal, used: list[Any]) -> ScheduleError:
        given = [*used, *(v for item in used if isinstance(item, list) for v in item)]
        handle = next((v for v in given if isinstance(v, StmtSRef) and v.stmt is not None), None)
        func = self.state.function_of(handle)[1] if handle is not None else None
        return schedule_error(kind.method, refusal, func, self.error_render_level)


def _method(kind: InstructionKind) -> Callable[..., Any]:
    def call(self: Schedule, *args: Any, **options: Any) -> Any:
        return self.invoke(kind, args, options)

    call.__name__ = kind.method
    call.__qualname__ = f"Schedule.{kind.method}"
    call.__doc__ = kind.doc
    call.__signature__ = kind.signature  # type: ignore[attr-defined]
    return call


def install(schedule: type[Schedule]) -> None:
    """Gives `schedule` a method for each primitive declared."""
    for name, kind in METHODS.items():
        setattr(schedule, name, _method(kind))
