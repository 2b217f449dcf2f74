"""AlterOpImpl: kernels of known operators replaced by others, in other layouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...ir.expr import GlobalVar
from ...ir.module import IRModule
from ...ir.transform import Pass
from ...support.errors import ArgumentError
from ...tir.function import PrimFunc
from ...tir.index_map import IndexMap
from ..analysis.variables import all_global_vars
from ..base import Expr
from ..dims import Dims
from ..expr import Call, Tuple, TupleGetItem
from ..op import call_tir, layout_transform
from ..struct_info import TensorStructInfo, TupleStructInfo
from ._calls import CallRewriter, is_call_of
from ._pass import module_level

Transforms = Sequence["IndexMap | Callable[..., Any] | None"]


def _as_map(given: Any) -> IndexMap | None:
    if given is None or isinstance(given, IndexMap):
        return given
    return IndexMap.from_func(given)


class _Alterer(CallRewriter):
    def __init__(
        self, mod: IRModule, kernels: Mapping[str, PrimFunc], maps: Mapping[str, Transforms]
    ) -> None:
        super().__init__(mod)
        self.mod, self.kernels, self.maps = mod, kernels, maps

    def rewrite(self, call: Call) -> Expr | None:
        """A call of a kernel with the attribute `operator_name` of the map."""
        gvar = call.args[0] if is_call_of(call, "call_tir") else None
        old = self.mod.functions.get(gvar) if isinstance(gvar, GlobalVar) else None
        kind = "" if old is None else str(old.attrs.get("operator_name", ""))
        if kind not in self.kernels or not isinstance(call.args[1], Tuple):
            return None
        info = call.sinfo_args[0]
        infos: Any = info.items if isinstance(info, TupleStructInfo) else (info,)
        inputs = call.args[1].items
        maps = [_as_map(m) for m in self.maps.get(kind, ())] or [None] * len((*inputs, *infos))
        if len(maps) != len(inputs) + len(infos):
            raise ArgumentError(
                f"`{kind}` has {len(inputs)} inputs and {len(infos)} results, found {len(maps)} "
                "transforms"
            )
        args = [self._changed(a, m) for a, m in zip(inputs, maps, strict=False)]
        outs = [_changed_info(i, m) for i, m in zip(infos, maps[len(inputs) :], strict=True)]
        new = self.builder_.add_func(self.kernels[kind], str(gvar.name_hint))  # type: ignore[union-attr]
        scalars = call.args[2] if len(call.args) > 2 else None
        made = self.builder_.emit(call_tir(new, args, outs if len(outs) > 1 else outs[0], scalars))  # type: ignore[arg-type]
        if not isinstance(info, TupleStructInfo):
            return self._back(made, maps[-1], info.dims)  # type: ignore[attr-defined]
        parts = [
            self._back(self.builder_.emit(TupleGetItem(made, k)), m, i.dims)
            for k, (i, m) in enumerate(zip(infos, maps[len(inputs) :], strict=True))
        ]
        return Tuple(tuple(parts))

    def _changed(self, value: Expr, index_map: IndexMap | None) -> Expr:
        if index_map is None:
            return value
        return self.builder_.emit(layout_transform(value, index_map))

    def _back(self, value: Expr, index_map: IndexMap | None, dims: Dims) -> Expr:
        if index_map is None:
            return value
        return layout_transform(value, index_map.inverse(list(dims)))


def _changed_info(info: Any, index_map: IndexMap | None) -> TensorStructInfo:
    if index_map is None:
        return info  # type: ignore[no-any-return]
    dims = index_map.map_shape(list(info.dims))
    return TensorStructInfo(tuple(dims), info.dtype, info.vdevice)  # type: ignore[arg-type]


def AlterOpImpl(
    op_impl_map: Mapping[str, PrimFunc],
    op_buffer_transforms: Mapping[str, Transforms],
    op_buffer_axis_separators: Mapping[str, Any] | None = None,
    op_buffer_input_axis_separators: Mapping[str, Any] | None = None,
) -> Pass:
    """Kernels whose attribute `operator_name` is in `op_impl_map` are replaced by the one there.

    `op_buffer_transforms` gives, for each input and result, the change of layout (a function of
    indices) that the new kernel wants, or None; `layout_transform`s stand around its calls.
    """
    del op_buffer_axis_separators, op_buffer_input_axis_separators

    def transform(mod: IRModule) -> IRModule:
        made = _Alterer(mod, op_impl_map, op_buffer_transforms).transform()
        return _without_unused(made)

    return module_level("AlterOpImpl", transform)


def _without_unused(after: IRModule) -> IRModule:
    """Without the kernels that nothing calls any more."""
    called = {g.name_hint for f in after.functions.values() for g in all_global_vars(f)}
    kept = {
        v: f
        for v, f in after.items()
        if not isinstance(f, PrimFunc) or v.name_hint in called or "global_symbol" in f.attrs
    }
    return after.with_functions(kept)
