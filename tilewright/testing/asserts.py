"""What tests compare: arrays, expressions, gradients."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tilewright.ir.expr import PrimExpr, Range
from tilewright.ir.functor import Rewriter, on
from tilewright.ir.structural import structural_equal
from tilewright.tir import (
    And,
    BufferLoad,
    BufferStore,
    For,
    ForKind,
    IfThenElse,
    Not,
    Or,
    PrimFunc,
    Stmt,
    Var,
    decl_buffer,
    interpreter,
    stmt_functor,
)
from tilewright.tir import op as O
from tilewright.tir.accesses import as_indices
from tilewright.tir.arith import Analyzer
from tilewright.tir.arith.canonical import may_trap
from tilewright.tir.stmt import stmt_seq

INTERPRETED = 2000
"""So many assignments are tried one by one."""

Array = np.ndarray[Any, Any]


def assert_allclose(
    actual: Any, desired: Any, rtol: float = 1e-7, atol: float = 1e-7, verbose: bool = True
) -> None:
    """Raises `AssertionError` unless both have one shape and every element is close."""
    found, expected = np.asanyarray(actual), np.asanyarray(desired)
    np.testing.assert_allclose(found.shape, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, verbose=verbose)


def assert_prim_expr_equal(lhs: PrimExpr, rhs: PrimExpr) -> None:
    """Raises `ValueError` unless the two expressions are the same or proved to be equal."""
    if not structural_equal(lhs, rhs) and not Analyzer().can_prove_equal(lhs, rhs):
        raise ValueError(f"{lhs} and {rhs} are not equal")


def check_bool_expr_is_true(
    bool_expr: PrimExpr, vranges: Mapping[Var, Range], cond: PrimExpr | None = None
) -> None:
    """Raises `AssertionError` with an assignment for which `bool_expr` is false (and `cond` is
    true), if there is one within the ranges."""
    claim = bool_expr if cond is None else O.logical_or(O.logical_not(cond), bool_expr)
    values = _counterexample(claim, vranges)
    if values is not None:
        shown = ", ".join(f"{var.name} = {value}" for var, value in values.items())
        raise AssertionError(f"{bool_expr} is false for {shown or 'all values'}")


def _counterexample(claim: PrimExpr, vranges: Mapping[Var, Range]) -> dict[Var, int] | None:
    """The first assignment for which `claim` is false. Many are tried by compiled code."""
    sizes = [O.const_value(extent.extent) for extent in vranges.values()]
    numbers = [size for size in sizes if isinstance(size, int)]
    is_large = len(numbers) < len(sizes) or math.prod(numbers) > INTERPRETED
    if is_large and not may_trap(claim) and claim.dtype == "bool":
        return _compiled_counterexample(claim, vranges)
    return next((values for values in _assignments(vranges) if not _value(claim, values)), None)


def _compiled_counterexample(
    claim: PrimExpr, vranges: Mapping[Var, Range]
) -> dict[Var, int] | None:
    from tilewright.driver import build
    from tilewright.runtime import cpu, empty

    found = decl_buffer((len(vranges) + 1,), "int64", "found")
    values = [O.const(1, "int64"), *(O.cast(var, "int64") for var in vranges)]
    stores = [BufferStore(found, value, as_indices([place])) for place, value in enumerate(values)]
    is_first = O.equal(BufferLoad(found, as_indices([0])), O.const(0, "int64"))
    refuted = _Eager().run(O.logical_not(claim))
    body: Stmt = IfThenElse(O.bitwise_and(refuted, is_first), stmt_seq(stores))
    for var, extent in reversed(list(vranges.items())):
        body = For(var, extent.min, extent.extent, ForKind.SERIAL, body)
    body = stmt_seq([BufferStore(found, O.const(0, "int64"), as_indices([0])), body])
    param = Var("found", "handle")
    func = PrimFunc((param,), body, buffer_map={param: found})
    func = func.with_attr({"global_symbol": "search", "tir.is_scheduled": True})
    result = empty((len(vranges) + 1,), "int64", cpu())
    build(func, "llvm")["search"](result)
    is_found, *numbers = (int(number) for number in result.numpy())
    return dict(zip(vranges, numbers, strict=True)) if is_found else None


class _Eager(Rewriter):
    """Conditions as bits that are all computed: long ones take no time to simplify, for none is
    read under another."""

    @on(And)
    def both(self, node: Any) -> PrimExpr:
        """`a and b -> a & b`"""
        return O.bitwise_and(self.rewrite(node.a), self.rewrite(node.b))

    @on(Or)
    def either(self, node: Any) -> PrimExpr:
        """`a or b -> a | b`"""
        return O.bitwise_or(self.rewrite(node.a), self.rewrite(node.b))

    @on(Not)
    def no(self, node: Any) -> PrimExpr:
        """`not a -> ~a`"""
        return O.bitwise_not(self.rewrite(node.a))


def _assignments(vranges: Mapping[Var, Range]) -> Any:
    pending: list[dict[Var, int]] = [{}]
    for var, extent in vranges.items():  # a range may use the variables before it
        grown = []
        for values in pending:
            first, count = int(_value(extent.min, values)), int(_value(extent.extent, values))
            grown += [{**values, var: v} for v in range(first, first + count)]
        pending = grown
    return pending


def _value(expr: PrimExpr, values: Mapping[Var, int]) -> Any:
    runner = interpreter.Interpreter()
    runner.env.update(values)
    return runner.eval(expr)


def check_int_constraints_trans_consistency(
    constraints_trans: Any, vranges: Mapping[Var, Range] | None = None
) -> None:
    """Raises `AssertionError` unless the two systems of an `IntConstraintsTransform` have the same
    solutions, one turned into the other by its maps."""
    outer = dict(vranges or {})
    src, dst = constraints_trans.src, constraints_trans.dst
    forth, back = dict(constraints_trans.src_to_dst), dict(constraints_trans.dst_to_src)
    _check_one_way(src, dst, forth, back, outer)
    _check_one_way(dst, src, back, forth, outer)


def _check_one_way(
    one: Any, other: Any, forth: dict[Var, PrimExpr], back: dict[Var, PrimExpr],
    outer: dict[Var, Range],
) -> None:  # fmt: skip
    """Every solution of `one` gives a solution of `other`, from which the way back leads to it."""
    ranges = {**outer, **dict(one.ranges)}
    holds = _all(one.relations)
    same = [
        O.equal(var, stmt_functor.substitute(forth[var], back))
        for var in one.variables
        if var in forth
    ]
    inside = [
        O.all(value >= begin, value < begin + extent)
        for var, value, begin, extent in (
            (v, stmt_functor.substitute(v, back),
             stmt_functor.substitute(other.ranges[v].min, back),
             stmt_functor.substitute(other.ranges[v].extent, back))
            for v in other.variables if v in other.ranges
        )
    ]  # fmt: skip
    relations = [stmt_functor.substitute(r, back) for r in other.relations]
    check_bool_expr_is_true(_all([*same, *inside, *relations]), ranges, holds)


def _all(conditions: Sequence[PrimExpr]) -> PrimExpr:
    return O.all(*conditions) if conditions else O.const(True, "bool")


def check_numerical_grads(
    function: Callable[..., Any],
    input_values: Mapping[str, Array] | Sequence[Array],
    grad_values: Mapping[str, Array] | Sequence[Array],
    function_value: float | None = None,
    delta: float = 1e-3,
    atol: float = 1e-2,
    rtol: float = 0.1,
) -> None:
    """Raises `AssertionError` unless `grad_values` are the gradients of the sum of `function`.

    They are compared with central differences of step `delta`, along with the one-sided ones:
    where these differ from each other by more than the tolerance, the function is not smooth and
    the element is left out. `atol` is per element of the gradient, `rtol` of its root mean square.
    """
    named = isinstance(input_values, Mapping)
    keys: list[Any] = list(input_values) if named else list(range(len(input_values)))

    def value(changed: Any = None, array: Array | None = None) -> float:
        given = {k: input_values[k] if k != changed else array for k in keys}
        out = function(**given) if named else function(*[given[k] for k in keys])
        return float(np.sum(np.asarray(out, np.float64)))

    middle = value() if function_value is None else float(np.sum(function_value))
    for key in keys:
        base, found = np.array(input_values[key]), np.asarray(grad_values[key])
        if base.shape != found.shape:
            raise AssertionError(f"gradient of {key!r} has shape {found.shape}, not {base.shape}")
        expected, smooth = _differences(value, key, base, middle, delta, atol + rtol)
        gap = np.abs(expected - found)[smooth]
        size = float(np.sqrt(np.mean(expected[smooth] ** 2))) if smooth.any() else 0.0
        if gap.size and not float(np.sqrt(np.mean(gap**2))) <= atol + rtol * size:
            worst = np.unravel_index(int(np.argmax(np.where(smooth, np.abs(expected - found), 0))),
                                     base.shape)  # fmt: skip
            raise AssertionError(
                f"the gradient of {key!r} is wrong, most at {tuple(map(int, worst))}: "
                f"{found[worst]}, numerically {expected[worst]}"
            )


def _differences(
    value: Callable[..., float], key: Any, base: Array, middle: float, delta: float, kink: float
) -> tuple[Array, Array]:
    """The numerical gradient, and where it means something."""
    expected, smooth = np.zeros(base.shape, np.float64), np.ones(base.shape, bool)
    for place in itertools.product(*map(range, base.shape)):
        sides = []
        for step in (delta, -delta):
            moved = base.copy()
            moved[place] += step
            sides.append((value(key, moved) - middle) / step)
        expected[place] = sum(sides) / 2
        smooth[place] = abs(sides[0] - sides[1]) <= kink * max(1.0, abs(expected[place]))
    return expected, smooth
