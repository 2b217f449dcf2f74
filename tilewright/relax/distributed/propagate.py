"""How operators place their results: the axes of arguments that become axes of the result.

An operator's row gives, for each tensor argument, the axis of the result that each of its axes
becomes (None: it is summed over or goes away).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ir.structural import structural_equal
from ...support.errors import CompileError
from ..base import HOOKS, StructInfo
from ..expr import Call
from ..struct_info import ObjectStructInfo, TensorStructInfo, TupleStructInfo
from .placement import Placement, PlacementSpec
from .struct_info import DTensorStructInfo

AxisMap = list["int | None"]
AxisRule = Callable[[Call, Sequence[Any], Any], list[AxisMap]]


def _aligned(call: Call, infos: Sequence[Any], out: Any) -> list[AxisMap]:
    """Elementwise: axes are aligned at the last."""
    return [[i + out.ndim - info.ndim for i in range(info.ndim)] for info in infos]


def _matmul(call: Call, infos: Sequence[Any], out: Any) -> list[AxisMap]:
    a, b = infos
    left: AxisMap = [i + out.ndim - a.ndim for i in range(a.ndim - 1)]
    right: AxisMap = [i + out.ndim - b.ndim for i in range(b.ndim)]
    right[-2] = None
    return [[*left, None], right]


def _permuted(call: Call, infos: Sequence[Any], out: Any) -> list[AxisMap]:
    rank = infos[0].ndim
    axes = call.attrs.get("axes") or range(rank)[::-1]
    order = [a % rank for a in axes]
    return [[order.index(i) for i in range(rank)]]


def _reduced(call: Call, infos: Sequence[Any], out: Any) -> list[AxisMap]:
    rank = infos[0].ndim
    axis = call.attrs.get("axis")
    given = range(rank) if axis is None else (axis,) if isinstance(axis, int) else axis
    gone = {a % rank for a in given}
    kept = [i for i in range(rank) if i not in gone]
    place = {i: (i if call.attrs.get("keepdims") else kept.index(i)) for i in kept}
    return [[place.get(i) for i in range(rank)]]


AXES: dict[str, AxisRule] = {
    "relax.matmul": _matmul,
    "relax.permute_dims": _permuted,
    **{f"relax.{n}": _reduced for n in ("sum", "max", "min", "mean", "prod", "variance", "std")},
}
"""How axes move, by operator; results of the rank of an argument are elementwise otherwise."""

_MOVING = frozenset(f"relax.{n}" for n in (
    "reshape", "flip", "concat", "split", "strided_slice", "take", "tile", "repeat", "cumsum",
))  # fmt: skip
"""Operators that are no elementwise ones although ranks may agree."""


def tensor_infos(info: StructInfo | None) -> list[Any]:
    """The tensors in the struct info of an argument."""
    if isinstance(info, TupleStructInfo):
        return [t for item in info.items for t in tensor_infos(item)]
    return [info] if isinstance(info, (TensorStructInfo, DTensorStructInfo)) else []


def without_mesh(info: Any) -> Any:
    """The struct info of whole tensors."""
    if isinstance(info, TupleStructInfo):
        return TupleStructInfo(tuple(without_mesh(i) for i in info.items))
    return info.tensor_sinfo if isinstance(info, DTensorStructInfo) else info


def infer_distributed(call: Call, infos: Sequence[Any], infer: Callable[..., Any]) -> StructInfo:
    """The struct info of an operator's call with distributed arguments: what `infer` says of whole
    tensors, placed as the arguments' axes are. Any object where the axes are not followed."""
    whole = infer([without_mesh(i) for i in infos])
    tensors = [t for info in infos for t in tensor_infos(info)]
    meshes = [t.device_mesh for t in tensors if isinstance(t, DTensorStructInfo)]
    if any(not structural_equal(m, meshes[0]) for m in meshes):
        raise CompileError("the arguments lie on different meshes")
    name = call.op.name  # type: ignore[attr-defined]
    rule = AXES.get(name)
    if not isinstance(whole, TensorStructInfo) or -1 in (whole.ndim, *(t.ndim for t in tensors)):
        return ObjectStructInfo()
    if rule is None:
        if name in _MOVING or max(t.ndim for t in tensors) != whole.ndim:
            return ObjectStructInfo()
        rule = _aligned
    maps = rule(call, tensors, whole)
    specs = [_spec(dim, tensors, maps) for dim in range(len(meshes[0].shape))]
    return DTensorStructInfo(whole, meshes[0], Placement(tuple(specs)))


def _spec(dim: int, tensors: Sequence[Any], maps: Sequence[AxisMap]) -> PlacementSpec:
    """The result's placement along one dimension of the mesh."""
    found: set[int] = set()
    for info, axes in zip(tensors, maps, strict=True):
        spec = info.placement.dim_specs[dim] if isinstance(info, DTensorStructInfo) else None
        if spec is not None and spec.is_sharding:
            target = axes[spec.axis]
            if target is not None:
                found.add(target)
    if len(found) > 1:
        raise CompileError(f"arguments are cut along the axes {sorted(found)} of the result")
    return PlacementSpec.sharding(found.pop()) if found else PlacementSpec.replica()


HOOKS["infer_distributed"] = infer_distributed
