"""The operators of classical machine learning (`ai.onnx.ml`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import relax
from ....relax import op as R
from ..node import NodeContext, Result
from ..registry import onnx_op

Expr = relax.Expr
DOMAIN = "ai.onnx.ml"


@onnx_op("ArrayFeatureExtractor", domain=DOMAIN)
def array_feature_extractor(n: NodeContext) -> Result:
    """Elements of the last axis."""
    made = R.take(n[0], n.emit(R.reshape(n[1], [-1])), n.rank(0) - 1)
    return R.reshape(n.emit(made), [1, -1]) if n.rank(0) == 1 else made


@onnx_op("Binarizer", domain=DOMAIN)
def binarizer(n: NodeContext) -> Result:
    """1 where above the threshold, else 0."""
    dtype = n.dtype(0)
    above = n.emit(R.greater(n[0], n.const(n.attr("threshold", 0.0), dtype)))
    return R.astype(above, dtype)


@onnx_op("Scaler", domain=DOMAIN)
def scaler(n: NodeContext) -> Result:
    """`(x - offset) * scale` by feature, in float32."""
    x = n[0] if n.dtype(0) == "float32" else n.emit(R.astype(n[0], "float32"))
    moved = n.emit(R.subtract(x, n.const(n.attr("offset", [0.0]), "float32")))
    return R.multiply(moved, n.const(n.attr("scale", [1.0]), "float32"))


_COMPARE: dict[int, Any] = {
    0: R.less_equal, 1: R.less, 2: R.greater_equal, 3: R.greater, 4: R.equal, 5: R.not_equal,
}  # fmt: skip
_MEMBER = 6
_REDUCE: dict[int, Any] = {0: R.mean, 1: R.sum, 2: R.min, 3: R.max}


@onnx_op("TreeEnsemble", domain=DOMAIN)
def tree_ensemble(n: NodeContext) -> Result:
    """The sum (or mean, least, largest) of the leaves that the trees lead to.

    All trees take a step at once, as often as the deepest tree has levels; a leaf leads to itself.
    """
    trees = _Trees(n)
    dtype = n.dtype(0)
    rows = n.shape(0)[0]
    roots = np.asarray(trees.roots)
    place = n.emit(R.broadcast_to(n.const(roots[None, :], "int64"), [rows, len(roots)]))
    for _ in range(trees.depth):
        place = trees.step(n, place, dtype)
    return trees.result(n, place, dtype)


class _Trees:
    """The nodes, then the leaves, numbered through."""

    def __init__(self, n: NodeContext) -> None:
        modes = np.asarray(n.attr("nodes_modes")).reshape(-1)
        count = len(modes)
        self.weights = np.asarray(n.attr("leaf_weights")).reshape(-1)
        self.targets = np.asarray(n.attr("leaf_targetids"), "int64")
        total = count + len(self.weights)
        own = np.arange(total)
        self.modes = np.full(total, 1)
        self.modes[:count] = modes
        self.features = np.zeros(total, "int64")
        self.features[:count] = n.attr("nodes_featureids")
        splits = np.asarray(n.attr("nodes_splits")).reshape(-1)
        self.splits = np.zeros(total, splits.dtype)
        self.splits[:count] = splits
        self.true, self.false = own.copy(), own.copy()
        for side, name in ((self.true, "true"), (self.false, "false")):
            ids = np.asarray(n.attr(f"nodes_{name}nodeids"))
            leaf = np.asarray(n.attr(f"nodes_{name}leafs"))
            side[:count] = np.where(leaf != 0, ids + count, ids)
        self.count = count
        self.roots = [int(r) for r in n.attr("tree_roots")]
        self.depth = max((self._levels(r) for r in self.roots), default=0)
        self.missing = np.zeros(total, bool)
        self.missing[:count] = np.asarray(
            n.attr("nodes_missing_value_tracks_true", [0] * count), bool
        )
        self.members = self._sets(n, total)

    def _levels(self, root: int) -> int:
        deepest, waiting = 0, [(root, 0)]
        while waiting:
            node, level = waiting.pop()
            deepest = max(deepest, level)
            if node < self.count:
                if level > self.count:
                    return self.count
                nexts = {int(self.true[node]), int(self.false[node])} - {node}
                waiting += [(child, level + 1) for child in nexts]
        return deepest

    def _sets(self, n: NodeContext, total: int) -> Any:
        """The sets of `member` nodes, one a row, filled up with NaN; None if there are none."""
        values = np.asarray(n.attr("membership_values", np.zeros(0))).reshape(-1)
        if not len(values):
            return None
        sets: list[list[float]] = [[]]
        for value in values:
            if np.isnan(value):
                sets.append([])
            else:
                sets[-1].append(float(value))
        table = np.full((total, max(len(s) for s in sets)), np.nan)
        members = [i for i in range(self.count) if self.modes[i] == _MEMBER]
        for node, items in zip(members, sets, strict=False):
            table[node, : len(items)] = items
        return table

    def step(self, n: NodeContext, place: Expr, dtype: str) -> Expr:
        """Where each row stands after one more comparison."""

        def at(table: Any, kind: str) -> Expr:
            return n.emit(R.take(n.const(table, kind), place, 0))

        value = n.emit(R.gather_elements(n[0], at(self.features, "int64"), 1))
        split, mode = at(self.splits, dtype), at(self.modes, "int64")
        truth: Expr | None = None
        for code in sorted(set(self.modes.tolist())):
            if code == _MEMBER:
                holds = self._member(n, value, place, dtype)
            else:
                holds = n.emit(_COMPARE[code](value, split))
            here = n.emit(R.equal(mode, n.const(code, "int64")))
            truth = holds if truth is None else n.emit(R.where(here, holds, truth))
        assert truth is not None
        if self.missing.any():
            absent = n.emit(R.logical_and(n.emit(R.isnan(value)), at(self.missing, "bool")))
            truth = n.emit(R.logical_or(truth, absent))
        return n.emit(R.where(truth, at(self.true, "int64"), at(self.false, "int64")))

    def _member(self, n: NodeContext, value: Expr, place: Expr, dtype: str) -> Expr:
        rows = n.emit(R.take(n.const(self.members, dtype), place, 0))
        same = n.emit(R.equal(n.emit(R.expand_dims(value, [2])), rows))
        return n.emit(R.greater(
            n.emit(R.sum(n.emit(R.astype(same, "int32")), [2])), n.const(0, "int32")
        ))  # fmt: skip

    def result(self, n: NodeContext, place: Expr, dtype: str) -> Expr:
        """The leaves of all trees, gathered by target."""
        outputs = int(n.attr("n_targets"))
        leaf = n.emit(R.subtract(place, n.const(self.count, "int64")))
        kind = int(n.attr("aggregate_function", 1))
        fill = {2: np.inf, 3: -np.inf}.get(kind, 0.0)
        table = np.full((len(self.weights), outputs), fill)
        table[np.arange(len(self.weights)), self.targets] = self.weights
        chosen = n.emit(R.take(n.const(table, dtype), leaf, 0))
        total = n.emit(_REDUCE[kind](chosen, [1]))
        post = int(n.attr("post_transform", 0))
        if post == 1:
            return n.emit(R.nn.softmax(total, -1))
        if post == 2:
            return n.emit(R.sigmoid(total))
        if post:
            raise n.error(f"post_transform {post} is not supported")
        return total
