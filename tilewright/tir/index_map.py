"""Index maps: where each element of an array lies in another layout of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..ir.expr import IntImm, PrimExpr, Range, as_scalar
from ..ir.node import Node, definition, node
from ..support.errors import ArgumentError
from .arith import Analyzer, IntervalSet, inverse_affine_iter_map, detect_iter_map
from .expr import Var
from .stmt_functor import substitute

AXIS_SEPARATOR = "axis_separator"


@node("tir.IndexMap")
class IndexMap(Node):
    """`initial_indices` of the source become `final_indices` of the target."""

    initial_indices: tuple[Var, ...] = definition()
    final_indices: tuple[PrimExpr, ...]
    inverse_index_map: IndexMap | None = None

    AXIS_SEPARATOR = AXIS_SEPARATOR

    def __post_init__(self) -> None:
        self.initial_indices = tuple(self.initial_indices)  # type: ignore[misc]
        self.final_indices = tuple(as_scalar(i) for i in self.final_indices)  # type: ignore[misc]

    @staticmethod
    def from_func(
        mapping_function: Callable[..., Sequence[Any]],
        ndim: int | None = None,
        inverse_index_map: Any = None,
        *,
        index_dtype: str = "int64",
    ) -> IndexMap:
        """The map that a Python function of the indices describes; `*rest` takes `ndim` indices."""
        made, separators = IndexMap.from_func_with_separators(
            mapping_function, ndim, inverse_index_map, index_dtype=index_dtype
        )
        if separators:
            raise ArgumentError("the function gives axis separators, which have no place here")
        return made

    @staticmethod
    def from_func_with_separators(
        mapping_function: Callable[..., Sequence[Any]],
        ndim: int | None = None,
        inverse_index_map: Any = None,
        *,
        index_dtype: str = "int64",
    ) -> tuple[IndexMap, list[int]]:
        """As `from_func`, with the places of `AXIS_SEPARATOR` among the results."""
        variables = _variables(mapping_function, ndim, index_dtype)
        found = mapping_function(*variables)
        indices: list[PrimExpr] = []
        separators: list[int] = []
        for item in found if isinstance(found, (list, tuple)) else (found,):
            if isinstance(item, str):
                separators.append(len(indices))
            else:
                indices.append(as_scalar(item, index_dtype))
        if callable(inverse_index_map):
            inverse_index_map = IndexMap.from_func(
                inverse_index_map, len(indices), index_dtype=index_dtype
            )
        return IndexMap(tuple(variables), tuple(indices), inverse_index_map), separators

    def map_indices(self, indices: Sequence[Any]) -> tuple[PrimExpr, ...]:
        """The target's indices of the element at `indices` of the source."""
        return self._simplified(_bound(self.initial_indices, indices), {})

    def _simplified(
        self, values: Mapping[Var, PrimExpr], ranges: Mapping[Var, Range]
    ) -> tuple[PrimExpr, ...]:
        analyzer = Analyzer()
        for var, extent in ranges.items():
            analyzer.bind(var, extent)
        return tuple(analyzer.simplify(substitute(i, values)) for i in self.final_indices)

    def map_shape(self, shape: Sequence[Any]) -> tuple[PrimExpr, ...]:
        """The smallest target shape that holds every element of a source of `shape`."""
        analyzer = Analyzer()
        domains: dict[Var, Any] = {}
        for var, extent in zip(self.initial_indices, _dims(shape, self), strict=True):
            analyzer.bind(var, Range(IntImm(var.dtype, 0), extent))
            domains[var] = IntervalSet(IntImm(var.dtype, 0), extent - 1)
        out = []
        for index in self.final_indices:
            highest = analyzer.int_set(index, domains).max_value
            out.append(analyzer.simplify(highest + 1))
        return tuple(out)

    def map_ndarray(self, arr_src: Any) -> Any:
        """`arr_src` laid out anew; places that no element reaches are 0."""
        return self.map_array(np.asarray(arr_src), 0)

    def map_array(self, array: np.ndarray[Any, Any], fill: float) -> np.ndarray[Any, Any]:
        """`array` laid out anew; places that no element reaches hold `fill`."""
        shape = [int(d) for d in self.map_shape(array.shape)]  # type: ignore[call-overload]
        out = np.full(shape, fill, array.dtype)
        grids = np.meshgrid(*[np.arange(n) for n in array.shape], indexing="ij", sparse=True)
        env = dict(zip(self.initial_indices, grids, strict=True))
        places = tuple(np.broadcast_to(_evaluate(i, env), array.shape) for i in self.final_indices)
        out[places] = array
        return out

    def inverse(self, shape: Sequence[Any]) -> IndexMap:
        """The map back, for a source of `shape`. Raises `ArgumentError` if elements would be
        padding or collide."""
        made, predicate = self.non_surjective_inverse(shape)
        if not (isinstance(predicate, IntImm) and predicate.value == 0):
            raise ArgumentError(f"the map leaves places of the target without a source: {predicate}")
        return made

    def non_surjective_inverse(self, shape: Sequence[Any]) -> tuple[IndexMap, PrimExpr]:
        """The map back, and the condition (of its indices) that holds where the target is padding."""
        dims = _dims(shape, self)
        targets = self.map_shape(shape)
        if self.inverse_index_map is not None:
            return self.inverse_index_map, IntImm("bool", 0)
        padded, ranges = _padded_ranges(self, dims)
        found = detect_iter_map(self.final_indices, ranges)
        if not found.indices:
            raise ArgumentError(f"the map {self.final_indices} cannot be inverted for {list(dims)}")
        names = [Var(f"axis{i}", self.initial_indices[0].dtype) for i in range(len(targets))]
        back = inverse_affine_iter_map(found.indices, tuple(names))
        analyzer = Analyzer()
        for name, extent in zip(names, targets, strict=True):
            analyzer.bind(name, Range(IntImm(name.dtype, 0), extent))
        outputs = [
            analyzer.simplify(back.get(var, IntImm(var.dtype, 0))) for var in self.initial_indices
        ]
        outside: PrimExpr = IntImm("bool", 0)
        if padded:
            from .op import logical_or

            for value, extent in zip(outputs, dims, strict=True):
                outside = logical_or(outside, analyzer.simplify(value >= extent))
        return IndexMap(tuple(names), tuple(outputs)), outside

    def is_equivalent_to(self, other: IndexMap) -> bool:
        """Whether both send every element to the same place."""
        if len(self.initial_indices) != len(other.initial_indices):
            return False
        there = other.map_indices(self.initial_indices)
        analyzer = Analyzer()
        return len(there) == len(self.final_indices) and all(
            analyzer.can_prove_equal(a, b) for a, b in zip(self.final_indices, there, strict=True)
        )


def _variables(function: Callable[..., Any], ndim: int | None, dtype: str) -> list[Var]:
    names: list[str] = []
    rest: str | None = None
    after: list[str] = []
    for p in inspect.signature(function).parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            rest = p.name
        elif p.kind is p.KEYWORD_ONLY:
            after.append(p.name)
        else:
            names.append(p.name)
    if after:
        raise ArgumentError("an index map's function takes positional parameters only")
    if rest is not None:
        if ndim is None:
            raise ArgumentError("a function with *args needs `ndim`")
        names += [f"{rest}_{i}" for i in range(ndim - len(names))]
    if ndim is not None and len(names) != ndim:
        raise ArgumentError(f"the function takes {len(names)} indices, the array has {ndim}")
    return [Var(name, dtype) for name in names]


def _bound(variables: Sequence[Var], values: Sequence[Any]) -> dict[Var, PrimExpr]:
    if len(variables) != len(values):
        raise ArgumentError(f"the map takes {len(variables)} indices, {len(values)} were given")
    return {v: as_scalar(x, v.dtype) for v, x in zip(variables, values, strict=True)}


def _dims(shape: Sequence[Any], of: IndexMap) -> list[PrimExpr]:
    values = list(_bound(of.initial_indices, shape).values())
    out = []
    for var, value in zip(of.initial_indices, values, strict=True):
        same = value.dtype == var.dtype
        out.append(value if same else value.astype(var.dtype))
    return out


def _divisors(of: IndexMap) -> dict[Var, int]:
    """What each index is divided by, as far as constants say: `c // 16` gives 16."""
    from ..ir.functor import post_order_visit
    from .expr import FloorDiv, FloorMod

    found: dict[Var, int] = {}

    def visit(n: Node) -> None:
        if isinstance(n, (FloorDiv, FloorMod)) and isinstance(n.a, Var):
            if isinstance(n.b, IntImm) and n.b.value > 0:
                found[n.a] = int(np.lcm(found.get(n.a, 1), n.b.value))

    post_order_visit(of.final_indices, visit)
    return found


def _padded_ranges(of: IndexMap, dims: Sequence[PrimExpr]) -> tuple[bool, dict[Var, Range]]:
    """Ranges of the indices, rounded up so that every division is even."""
    divisors = _divisors(of)
    padded = False
    ranges: dict[Var, Range] = {}
    for var, extent in zip(of.initial_indices, dims, strict=True):
        factor = divisors.get(var, 1)
        if factor > 1:
            rest = Analyzer().simplify(extent % factor)
            if not (isinstance(rest, IntImm) and rest.value == 0):
                extent = Analyzer().simplify((extent + (factor - 1)) // factor * factor)
                padded = True
        ranges[var] = Range(IntImm(var.dtype, 0), extent)
    return padded, ranges


def _evaluate(expr: PrimExpr, env: Mapping[Var, Any]) -> Any:
    from . import expr as E

    table: dict[type, Callable[[Any, Any], Any]] = {
        E.Add: np.add, E.Sub: np.subtract, E.Mul: np.multiply, E.FloorDiv: np.floor_divide,
        E.FloorMod: np.mod, E.Min: np.minimum, E.Max: np.maximum,
    }  # fmt: skip
    if isinstance(expr, IntImm):
        return expr.value
    if isinstance(expr, Var):
        return env[expr]
    function = table.get(type(expr))
    if function is None:
        raise ArgumentError(f"cannot evaluate the index {expr}")
    return function(_evaluate(expr.a, env), _evaluate(expr.b, env))  # type: ignore[attr-defined]
