"""The analyzer: what can be known about integers, in one object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Flag, IntEnum
from typing import Any, TypeAlias

from ...ir.expr import IntImm, PrimExpr, Range, as_scalar
from ...ir.functor import deep_recursion
from ...script.parser.arguments import explained
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError, ArgumentTypeError
from .. import op as O
from ..expr import IterVar, Var
from .bound import ConstIntBound, ModularSet, ModularSets
from .canonical import INDEX_TYPES
from .rewritten import Rewritten
from .rules import CANONICAL, REWRITTEN, REWRITTEN_INDICES, RuleSet
from .simplifier import Simplifier, same
from .terms import Sum

EVALUATE_SET: list[Callable[..., Any]] = []
"""What `int_set` calls, put here by the module of sets, which stands above this one."""


STEPS = 4
"""How often what was simplified is simplified again, at most."""

Meaning: TypeAlias = "tuple[float | int, float | int] | PrimExpr"
"""What is said of a variable: the ends of its values, or its value."""


class ProofStrength(IntEnum):
    """How hard `can_prove` tries. Both tries are the same here: they are cheap."""

    DEFAULT = 0
    SYMBOLIC_BOUND = 1


class Extension(Flag):
    """Simplifications that are off unless asked for; kept for scripts, all are on."""

    NoExtensions = 0
    TransitivelyProveInequalities = 1
    ConvertBooleanToAndOfOrs = 2
    ApplyConstraintsToBooleanBranches = 4
    ComparisonOfProductAndSum = 8


def _as_condition(given: Any) -> PrimExpr:
    made = as_scalar(given)
    if not dtype_of(made.dtype).is_bool:
        raise ArgumentError(
            f"a condition is of bool, found {made} of {made.dtype}",
            hint="compare it, as in x != 0",
        )
    return made


class ConstraintScope:
    """A condition that holds within a `with` block."""

    def __init__(self, analyzer: Analyzer, condition: PrimExpr) -> None:
        self._scope = analyzer.engine.scope(_as_condition(condition))

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._scope.__exit__(*error)


class Analyzer:
    """Simplifies and proves facts about integer expressions.

    Ranges of variables come by `bind`, conditions by `constraint_scope`. A `SizeVar` is never
    negative. Indices (`int32`, `int64`) are taken not to overflow.
    """

    def __init__(self) -> None:
        self.engine = Simplifier()
        self.modular = ModularSets(self.engine)
        self.said: dict[Var, Meaning] = {}
        self.enabled_extensions = Extension.NoExtensions

    # ---- simplification ---------------------------------------------------------------------

    def simplify(self, expr: PrimExpr, steps: int = STEPS) -> PrimExpr:
        """`expr` in its simplest form; the same object if it has that form already.

        Conditions are simplified under one another; what that yields is simplified again, `steps`
        times at most.
        """
        engine, made = self.engine, as_scalar(expr)
        with deep_recursion():
            for _ in range(max(steps, 1)):
                engine.scopes = 0
                again = engine.simplify(made)
                learns = engine.scopes or engine.is_informed() or made.dtype == "bool"
                if again is made or not learns:
                    return again
                made = again
                engine.reset()
        return made

    def rewrite_simplify(self, expr: PrimExpr) -> PrimExpr:
        """What `simplify` makes of `expr`, with constants added, and common ones outside of sums:
        `x + -2` and `(x + y) * 2`."""
        return self._written(expr, REWRITTEN, REWRITTEN_INDICES)

    def canonical_simplify(self, expr: PrimExpr) -> PrimExpr:
        """What `simplify` makes of `expr`, with signs outside of rests: `x % -2 * -1`."""
        return self._written(expr, CANONICAL)

    def _written(self, expr: PrimExpr, *tables: RuleSet) -> PrimExpr:
        before = as_scalar(expr)
        made: PrimExpr = Rewritten(*tables).run(self.simplify(before))
        return before if same(made, before) else made

    # ---- knowledge --------------------------------------------------------------------------

    def bind(
        self, var: Var | IterVar, expr: Range | PrimExpr | int, override: bool = False
    ) -> None:
        """Says that `var` lies in a range, or equals an expression.

        Raises `ArgumentError` if something else was said of it before, unless `override`: then
        that is forgotten.
        """
        if isinstance(var, IterVar):
            var = var.var
        if not isinstance(var, Var):
            raise ArgumentTypeError(
                f"Analyzer.bind says what a variable is, found {var!r}",
                hint="write bind(var, Range(0, 8)) or bind(var, value)",
            )
        if isinstance(expr, Range):
            self._bind_range(var, expr, override)
        else:
            value = as_scalar(expr, var.dtype)
            self._say(var, value, override)
            self.engine.bindings[var] = value

    def _say(self, var: Var, meaning: Meaning, override: bool) -> None:
        """Makes room for `meaning`, the one that `var` has from now on."""
        known = self.said.get(var)
        if known is not None and not override and not self._is_same(known, meaning):
            raise ArgumentError(
                f"something else was said of `{var.name}` before",
                hint="override=True forgets what was said; another variable does not need it",
            )
        self.said[var] = meaning
        self._forget(var)

    def _is_same(self, a: Meaning, b: Meaning) -> bool:
        if isinstance(a, PrimExpr) and isinstance(b, PrimExpr):
            return a.dtype == b.dtype and self.can_prove_equal(a, b)
        return isinstance(a, tuple) and isinstance(b, tuple) and a == b

    def _forget(self, var: Var) -> None:
        engine = self.engine
        if id(var) in engine.memo or id(var) in engine.others or var in engine.bounds.variables:
            engine.reset()
        engine.bindings.pop(var, None)

    def _bind_range(self, var: Var, range_: Range, override: bool) -> None:
        engine, bounds = self.engine, self.engine.bounds
        if isinstance(range_.min, IntImm) and isinstance(range_.extent, IntImm):
            first = range_.min.value
            ends = first, first + max(range_.extent.value, 1) - 1
            self._say(var, ends, override)
            bounds.variables[var] = ends
            bounds.ranges.pop(var, None)
            return
        if var.dtype not in INDEX_TYPES:
            return
        with deep_recursion():
            lo = engine.sum(_as(range_.min, var.dtype))
            hi = engine.terms.add(lo, engine.sum(_as(range_.extent, var.dtype))).shifted(-1)
        least, most = bounds.of(lo)[0], bounds.of(hi)[1]
        if most < least:
            most = least
        self._say(var, (least, most), override)
        bounds.variables[var] = (least, most)
        if lo.terms or hi.terms:
            symbolic = lo if lo.terms else None, hi if hi.terms else None
            bounds.ranges[var] = (len(bounds.variables), *symbolic)
        else:
            bounds.ranges.pop(var, None)

    @explained("Analyzer.update")
    def update(self, var: Var, info: ConstIntBound | ModularSet, override: bool = False) -> None:
        """Says what values `var` takes. Raises `ArgumentError` as `bind` does."""
        if isinstance(info, ConstIntBound):
            self._say(var, info.interval(), override)
            self.engine.bounds.variables[var] = info.interval()
        elif isinstance(info, ModularSet):
            self._forget(var)
            self.modular.variables[var] = info
        else:
            raise ArgumentError(
                f"Analyzer.update takes a ConstIntBound or ModularSet, found {type(info).__name__}"
            )

    @explained("Analyzer.constraint_scope")
    def constraint_scope(self, constraint: PrimExpr) -> ConstraintScope:
        """A `with` block in which `constraint` holds; `ArgumentError` unless it is of bool."""
        return ConstraintScope(self, constraint)

    @explained("Analyzer.assume")
    def assume(self, condition: PrimExpr) -> None:
        """Takes `condition` for granted from now on; `ArgumentError` unless it is of bool."""
        self.engine.assume(_as_condition(condition))
        self.engine.reset()

    @contextmanager
    def loop(self, var: Var, range_: Range) -> Iterator[None]:
        """A `with` block in which `var` lies in `range_`, which is not empty."""
        self.bind(var, range_, override=True)
        yield

    # ---- questions --------------------------------------------------------------------------

    def const_int_bound(self, expr: PrimExpr) -> ConstIntBound:
        """The constants between which `expr` lies; all lanes of it, if it is a vector."""
        made = as_scalar(expr)
        if dtype_of(made.dtype).lanes != 1:
            made = self.simplify(made)
        with deep_recursion():
            return ConstIntBound.of(*self.engine.interval(made))

    @explained("Analyzer.const_int_bound_is_bound")
    def const_int_bound_is_bound(self, var: Var) -> bool:
        """True if something is known of `var`."""
        return var in self.engine.bounds.variables

    def modular_set(self, expr: PrimExpr) -> ModularSet:
        """The residue class of `expr`."""
        with deep_recursion():
            return self.modular.expr(as_scalar(expr))

    @explained("Analyzer.int_set")
    def int_set(self, expr: PrimExpr, dom_map: dict[Var, Any] | None = None) -> Any:
        """The `IntSet` of the values of `expr` when variables run through those of `dom_map`."""
        return EVALUATE_SET[0](self, as_scalar(expr), dom_map or {})

    def can_prove(self, expr: PrimExpr, strength: ProofStrength = ProofStrength.DEFAULT) -> bool:
        """True if `expr` holds whatever its variables are."""
        del strength
        made = self.simplify(expr)
        return isinstance(made, IntImm) and made.value != 0

    def can_prove_equal(self, lhs: PrimExpr | int, rhs: PrimExpr | int) -> bool:
        """True if both are always equal."""
        if lhs is rhs:
            return True
        return self.can_prove(O.equal(lhs, rhs))

    def can_prove_greater_equal(self, expr: PrimExpr, lower_bound: int) -> bool:
        """True if `expr >= lower_bound` always."""
        return self.can_prove(O.greater_equal(expr, lower_bound))

    def can_prove_less(self, expr: PrimExpr, upper_bound: int) -> bool:
        """True if `expr < upper_bound` always."""
        return self.can_prove(O.less(expr, upper_bound))

    def sum(self, expr: PrimExpr) -> Sum:
        """The canonical sum of an index expression."""
        with deep_recursion():
            return self.engine.sum(expr)


def _as(value: PrimExpr, dtype: str) -> PrimExpr:
    return value if value.dtype == dtype else O.cast(value, dtype)


def simplify(expr: PrimExpr) -> PrimExpr:
    """`expr` simplified, knowing nothing about its variables."""
    made = expr
    for _ in range(STEPS):
        analyzer = Analyzer()
        before, made = made, analyzer.simplify(made)
        engine = analyzer.engine  # factors stand in the order of the text; choices meet others
        if made is before or not (engine.terms.products or engine.scopes):
            break
    return made


O.SIMPLIFY[:] = [simplify]
