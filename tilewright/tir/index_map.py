"""IndexMap: how the indices of one layout follow from those of another."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ..ir.expr import FloatImm, IntImm, PrimExpr, Range, as_scalar
from ..ir.node import Node, definition, ignored, node
from ..runtime.ndarray import Tensor, tensor
from ..script.parser.arguments import explained
from ..support.errors import ArgumentError, ArgumentTypeError
from . import op as T
from .arith.analyzer import Analyzer
from .arith.bound import ConstIntBound
from .arith.int_set import NEG_INF, POS_INF, IntervalSet
from .arith.iter_expr import variables_of
from .arith.iter_inverse import inverse_affine_iter_map
from .arith.iter_map import detect_injective_map, padded_ranges
from .expr import Var
from .index_dtype import indices_with_dtype
from .stmt_functor import substitute


@node("tir.IndexMap")
class IndexMap(Node):
    """`final_indices` as functions of the variables `initial_indices`.

    `inverse_index_map`, if given, is used where it cannot be computed.
    """

    initial_indices: tuple[Var, ...] = definition()
    final_indices: tuple[PrimExpr, ...]
    inverse_index_map: IndexMap | None = ignored(default=None)

    AXIS_SEPARATOR: ClassVar[str] = "axis_separator"
    is_checked: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.initial_indices = tuple(self.initial_indices)  # type: ignore[misc]
        if not isinstance(self.final_indices, Iterable):
            raise ArgumentTypeError(
                f"`final_indices` of IndexMap is a list, found {self.final_indices!r}", self.span
            )
        self.final_indices = tuple(as_scalar(i) for i in self.final_indices)  # type: ignore[misc]

    # ---- making -----------------------------------------------------------------------------

    @staticmethod
    @explained("IndexMap.from_func")
    def from_func(
        mapping_function: Callable[..., Any],
        ndim: int | None = None,
        inverse_index_map: Callable[..., Any] | IndexMap | None = None,
        *,
        index_dtype: str = "int64",
    ) -> IndexMap:
        """The map that `mapping_function` describes: `lambda i, j: [i // 4, j, i % 4]`.

        `ndim` is needed where the function takes `*indices`.
        """
        made, separators = IndexMap.from_func_with_separators(
            mapping_function, ndim, inverse_index_map, index_dtype=index_dtype
        )
        if separators:
            raise ArgumentError(
                "the function gives an axis separator", hint="use from_func_with_separators"
            )
        return made

    @staticmethod
    @explained("IndexMap.from_func_with_separators")
    def from_func_with_separators(
        mapping_function: Callable[..., Any],
        ndim: int | None = None,
        inverse_index_map: Callable[..., Any] | IndexMap | None = None,
        *,
        index_dtype: str = "int64",
    ) -> tuple[IndexMap, list[int]]:
        """The map, and the places of `IndexMap.AXIS_SEPARATOR` among its results."""
        args, by_name = _variables(mapping_function, ndim, index_dtype)
        given = mapping_function(*args, **by_name)
        if not isinstance(given, (tuple, list)):
            given = [given]
        final: list[PrimExpr] = []
        separators: list[int] = []
        for item in given:
            if isinstance(item, str) and item == IndexMap.AXIS_SEPARATOR:
                separators.append(len(final))
            else:
                final.append(_typed(item, index_dtype))
        if inverse_index_map is not None and not isinstance(inverse_index_map, IndexMap):
            inverse_index_map = IndexMap.from_func(
                inverse_index_map, len(final), index_dtype=index_dtype
            )
        return IndexMap((*args, *by_name.values()), tuple(final), inverse_index_map), separators

    # ---- using ------------------------------------------------------------------------------

    @property
    def is_identity(self) -> bool:
        """True if the results are the indices themselves, in their order."""
        return len(self.initial_indices) == len(self.final_indices) and all(
            a is b for a, b in zip(self.initial_indices, self.final_indices, strict=True)
        )

    @explained("IndexMap.is_equivalent_to")
    def is_equivalent_to(self, other_map: IndexMap) -> bool:
        """True if both give the same results for all indices."""
        if len(self.initial_indices) != len(other_map.initial_indices) or len(
            self.final_indices
        ) != len(other_map.final_indices):
            return False
        analyzer = Analyzer()
        ours = self._of_int64()
        theirs = other_map._of_int64().map_indices(ours.initial_indices)
        return all(
            analyzer.can_prove_equal(a, b) for a, b in zip(ours.final_indices, theirs, strict=True)
        )

    def _of_int64(self) -> IndexMap:
        """The map of indices of 64 bits."""
        if all(v.dtype == "int64" for v in self.initial_indices):
            return self
        return IndexMap(*indices_with_dtype(self.initial_indices, self.final_indices, "int64"))

    @explained("IndexMap.map_indices")
    def map_indices(
        self, indices: Sequence[Any], analyzer: Analyzer | None = None
    ) -> list[PrimExpr]:
        """The results for `indices`, simplified; constants take the type that all indices have."""
        env = self._bound(indices)
        analyzer = analyzer or Analyzer()
        found = [analyzer.simplify(substitute(i, env)) for i in self.final_indices]
        return _in_type_of(found, indices)

    @property
    def free_variables(self) -> list[Var]:
        """The variables in the results that are not the map's indices."""
        own = set(self.initial_indices)
        return [v for v in variables_of(self.final_indices) if v not in own]

    @explained("IndexMap.with_values")
    def with_values(self, values: Mapping[Var, PrimExpr]) -> IndexMap:
        """The map with values for some of its `free_variables`."""
        if not values:
            return self
        return self.replace(final_indices=tuple(substitute(i, values) for i in self.final_indices))

    def _bound(self, indices: Sequence[Any]) -> dict[Var, PrimExpr]:
        if len(indices) != len(self.initial_indices):
            raise ArgumentError(
                f"the index map takes {len(self.initial_indices)} indices, given {len(indices)}"
            )
        return {
            var: T.cast(as_scalar(i, var.dtype), var.dtype)
            for var, i in zip(self.initial_indices, indices, strict=True)
        }

    @explained("IndexMap.map_ranges")
    def map_ranges(self, ranges: Sequence[Range]) -> list[Range]:
        """The box that holds the results for all indices within `ranges`, whose own variables are
        sizes: at least 0. A quotient and a remainder by 4 run through whole groups of 4, however
        few indices there are. Raises `ArgumentError` if there is no box."""
        if len(ranges) != len(self.initial_indices):
            raise ArgumentError(
                f"the index map takes {len(self.initial_indices)} ranges, given {len(ranges)}"
            )
        given = dict(zip(self.initial_indices, ranges, strict=True))
        found = padded_ranges(self.final_indices, given)
        return self._boxed(given) if found is None else found

    def _boxed(self, ranges: dict[Var, Range]) -> list[Range]:
        """The ranges by interval arithmetic."""
        analyzer = Analyzer()
        for size in variables_of([r.extent for r in ranges.values()]):
            analyzer.update(size, ConstIntBound(0, ConstIntBound.POS_INF))
        for var, r in ranges.items():
            analyzer.bind(var, r)
        out = []
        for index in self.final_indices:
            found = analyzer.int_set(index, {v: _interval(r) for v, r in ranges.items()})
            low, high = found.min_value, found.max_value
            if low is NEG_INF or high is POS_INF:
                raise ArgumentError(f"the index {index} of the map has no bounds")
            out.append(Range(analyzer.simplify(low), analyzer.simplify(high - low + 1)))
        return out

    @explained("IndexMap.map_shape")
    def map_shape(self, shape: Sequence[Any]) -> list[PrimExpr]:
        """The shape that holds the results for all indices within `shape`."""
        if len(shape) != len(self.initial_indices):
            raise ArgumentError(
                f"the index map takes {len(self.initial_indices)} dimensions, given {len(shape)}"
            )
        sizes = tuple(d.value if isinstance(d, IntImm) else d for d in shape)
        if all(isinstance(d, int) for d in sizes):
            return _in_type_of(_constant_shape(self, sizes), shape)
        return self._shape(shape)

    def _shape(self, shape: Sequence[Any]) -> list[PrimExpr]:
        return [r.extent for r in self.map_ranges(self._ranges(shape))]

    @explained("IndexMap.map_tensor")
    def map_tensor(self, arr_src: Any) -> Any:
        """`arr_src` (a runtime tensor on the host, or an array) laid out anew, of the same kind;
        elements that nothing reaches are 0."""
        if isinstance(arr_src, Tensor):
            return tensor(self.map_array(arr_src.numpy(), 0), arr_src.device)
        return self.map_array(np.asarray(arr_src), 0)

    map_ndarray = map_tensor

    def map_array(self, source: np.ndarray[Any, Any], fill: float) -> np.ndarray[Any, Any]:
        """`source` laid out anew; elements that nothing reaches hold `fill`."""
        shape = [int(n) for n in self.map_shape(source.shape)]  # type: ignore[call-overload]
        grid = np.meshgrid(*[np.arange(n) for n in source.shape], indexing="ij", sparse=True)
        env = dict(zip(self.initial_indices, grid, strict=True))
        places = [np.broadcast_to(_evaluate(e, env), source.shape) for e in self.final_indices]
        target = np.full(shape, fill, source.dtype)
        target[tuple(places)] = source
        return target

    @explained("IndexMap.inverse")
    def inverse(self, shape: Sequence[Any]) -> IndexMap:
        """The map back, for initial indices within `shape`. Raises if the map is not bijective."""
        if self.inverse_index_map is not None:
            return self.inverse_index_map
        back, padding = self._inverse(shape)
        if not T.is_const_int(padding, 0):
            raise ArgumentError(
                f"the index map {self.as_python()} has no inverse on the shape "
                f"[{', '.join(map(str, shape))}]",
                note=f"nothing is mapped to the indices where {padding}",
                hint="non_surjective_inverse gives the map back and where padding is",
            )
        return back

    @explained("IndexMap.non_surjective_inverse")
    def non_surjective_inverse(self, shape: Sequence[Any]) -> tuple[IndexMap, PrimExpr]:
        """The map back, and the condition on its indices under which they are padding: reached
        from no initial index within `shape`. Raises `ArgumentError` if two indices may meet."""
        if self.inverse_index_map is not None:
            back = self.inverse_index_map
            return back, _outside(back.final_indices, shape, Analyzer())
        return self._inverse(shape)

    def _index_dtype(self) -> str:
        return self.initial_indices[0].dtype if self.initial_indices else "int64"

    def _inverse(self, shape: Sequence[Any]) -> tuple[IndexMap, PrimExpr]:
        dtype = self._index_dtype()
        if len(shape) != len(self.initial_indices):
            raise ArgumentError(
                f"the index map takes {len(self.initial_indices)} dimensions, given {len(shape)}"
            )
        ranges = dict(zip(self.initial_indices, self._ranges(shape), strict=True))
        found = detect_injective_map(self.final_indices, ranges)
        if found.errors:
            raise ArgumentError(
                f"the index map {self.as_python()} has no inverse on the shape "
                f"[{', '.join(map(str, shape))}]",
                note="; ".join(found.errors),
            )
        outputs = [Var(f"axis{k}", dtype) for k in range(len(self.final_indices))]
        values = inverse_affine_iter_map(found.indices, outputs)
        loose = Analyzer()
        back = [loose.simplify(T.cast(values.get(v, IntImm(dtype, 0)), dtype))
                for v in self.initial_indices]  # fmt: skip
        analyzer = Analyzer()
        for var, reached in zip(outputs, self.map_ranges(list(ranges.values())), strict=True):
            analyzer.bind(var, reached)
        env = dict(zip(self.initial_indices, back, strict=True))
        padding = analyzer.simplify(substitute(found.padding_predicate, env))
        return IndexMap(tuple(outputs), tuple(back)), padding

    def _ranges(self, shape: Sequence[Any]) -> list[Range]:
        dtype = self._index_dtype()
        return [Range(IntImm(dtype, 0), T.cast(as_scalar(d, dtype), dtype)) for d in shape]

    # ---- text -------------------------------------------------------------------------------

    def as_python(self) -> str:
        """The map as a Python lambda."""
        names = ", ".join(v.name for v in self.initial_indices)
        body = ", ".join(_plain_text(i) for i in self.final_indices)
        return f"lambda {names}: ({body},)" if body else f"lambda {names}: ()"

    def __repr__(self) -> str:
        return f"index_map({self.as_python()})"


@lru_cache(maxsize=512)
def _constant_shape(index_map: IndexMap, shape: tuple[int, ...]) -> tuple[PrimExpr, ...]:
    return tuple(index_map._shape(shape))


def _in_type_of(found: Sequence[PrimExpr], given: Sequence[Any]) -> list[PrimExpr]:
    """Constants among `found` in the type of what was given, if that is one."""
    types = {value.dtype if isinstance(value, PrimExpr) else None for value in given}
    dtype = types.pop() if len(types) == 1 else None
    if dtype is None:
        return list(found)
    return [T.cast(value, dtype) if isinstance(value, IntImm) else value for value in found]


def _variables(
    function: Callable[..., Any], ndim: int | None, dtype: str
) -> tuple[list[Var], dict[str, Var]]:
    args: list[Var] = []
    by_name: dict[str, Var] = {}
    variadic = None
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        raise ArgumentError(
            f"the function of an index map has parameters for the indices, found {function!r}",
            hint="write it as in `lambda i, j: (j, i)`",
        ) from None
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            args.append(Var(name, dtype))
        elif parameter.kind is parameter.VAR_POSITIONAL:
            variadic = name
        elif parameter.kind is parameter.KEYWORD_ONLY:
            by_name[name] = Var(name, dtype)
        else:
            raise ArgumentError("the function of an index map takes no **arguments")
    known = len(args) + len(by_name)
    if variadic is not None:
        if ndim is None:
            raise ArgumentError("ndim is needed for an index map whose function takes *indices")
        args += [Var(f"{variadic}_{k}", dtype) for k in range(ndim - known)]
    elif ndim is not None and ndim != known:
        raise ArgumentError(f"the index map takes {known} indices, ndim is {ndim}")
    return args, by_name


def _typed(value: Any, dtype: str) -> PrimExpr:
    made = as_scalar(getattr(value, "var", value), dtype)
    return T.cast(made, dtype)


def _interval(r: Range) -> Any:
    return IntervalSet(r.min, r.min + r.extent - 1)


def _outside(values: Sequence[PrimExpr], shape: Sequence[Any], analyzer: Analyzer) -> PrimExpr:
    """The condition that one of `values` lies beyond `shape`."""
    parts = []
    for value, extent in zip(values, shape, strict=True):
        size = as_scalar(extent, value.dtype)
        if not analyzer.can_prove(T.less(value, size)):
            parts.append(analyzer.simplify(T.greater_equal(value, size)))
    return T.some(parts)


def _evaluate(expr: PrimExpr, env: dict[Var, Any]) -> Any:
    """The value of an index over NumPy arrays."""
    if isinstance(expr, Var):
        return env[expr]
    if isinstance(expr, IntImm):
        return expr.value
    apply = _NUMPY.get(type(expr).__name__)
    if apply is None:
        raise ArgumentError(f"the index map's {type(expr).__name__} cannot be computed on arrays")
    return apply(*(_evaluate(x, env) for x in (expr.a, expr.b)))  # type: ignore[attr-defined]


_NUMPY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "FloorDiv": np.floor_divide,
    "FloorMod": np.mod,
    "Min": np.minimum,
    "Max": np.maximum,
}


_INFIX = {
    "Add": ("+", 1),
    "Sub": ("-", 1),
    "Mul": ("*", 2),
    "FloorDiv": ("//", 2),
    "FloorMod": ("%", 2),
}


def _plain_text(expr: PrimExpr, level: int = 0) -> str:
    """The index in Python's own operators, its constants without types."""
    if isinstance(expr, IntImm):
        return str(expr.value)
    if isinstance(expr, FloatImm):
        return repr(expr.value) if math.isfinite(expr.value) else f"float('{expr.value}')"
    if isinstance(expr, Var):
        return expr.name
    sign = _INFIX.get(type(expr).__name__)
    if sign is None:
        return str(expr)
    left = _plain_text(expr.a, sign[1])  # type: ignore[attr-defined]
    right = _plain_text(expr.b, sign[1] + 1)  # type: ignore[attr-defined]
    text = f"{left} {sign[0]} {right}"
    return f"({text})" if level > sign[1] else text
