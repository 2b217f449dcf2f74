"""A long short-term memory as a scan over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import te
from ...ir.expr import PrimExpr
from ...support.errors import ArgumentError
from ...te.tensor import Tensor
from ...tir import op
from ..kinds import Sizes
from ..utils import index_dtype, reduce_over, require_rank, require_shape

__all__ = ["lstm"]

Activation = Callable[[PrimExpr], PrimExpr]


def lstm(
    Xs: Tensor,
    Wi: Tensor,
    Wh: Tensor,
    Bi: Tensor | None = None,
    Bh: Tensor | None = None,
    h_init: Tensor | None = None,
    c_init: Tensor | None = None,
    proj: Tensor | None = None,
    p_i: Tensor | None = None,
    p_f: Tensor | None = None,
    p_o: Tensor | None = None,
    f_act: Activation = op.sigmoid,
    g_act: Activation = op.tanh,
    h_act: Activation = op.tanh,
    reverse: bool = False,
    weight_layout: str = "IFGO",
) -> tuple[Tensor, Tensor]:
    """The hidden and the cell states over (time, batch, features).

    `Wi` is (4 * size, features) and `Wh` (4 * size, size), their gates in the order of
    `weight_layout`; `proj` (out, size) projects the hidden state; the `p_` are peepholes.
    """
    for tensor, rank in ((Xs, 3), (Wi, 2), (Wh, 2), (proj, 2)):
        if tensor is not None:
            require_rank(tensor, rank, "lstm")
    if sorted(weight_layout) != sorted("IFGO"):
        raise ArgumentError(f"lstm: weight_layout orders I, F, G, O, found {weight_layout!r}")
    dtype, kind = index_dtype(Xs, Wi, Wh), Xs.dtype
    steps, batch, features = Xs.shape
    gates = Wi.shape[0]
    size = op.floordiv(gates, 4)
    width = proj.shape[0] if proj is not None else size
    shapes = (Wi, [gates, features]), (Wh, [gates, width]), (Bi, [gates]), (Bh, [gates])
    for tensor, shape in shapes:
        if tensor is not None:
            require_shape(tensor, shape, "lstm")

    def bias(g: PrimExpr) -> PrimExpr:
        total: PrimExpr = op.const(0, kind)
        for vector in (Bi, Bh):
            if vector is not None:
                total = op.add(total, vector(g))
        return total

    k = reduce_over(features, "k", dtype)
    moved = te.compute(
        (steps, batch, gates),
        lambda t, b, g: te.sum(Xs(steps - 1 - t if reverse else t, b, k.var) * Wi(g, k.var), k),
        "lstm_inputs",
    )
    start_h = _start(h_init, (batch, width), kind, "h_init")
    start_c = _start(c_init, (batch, size), kind, "c_init")
    h_state = te.placeholder((steps + 1, batch, width), kind, "h_state")
    c_state = te.placeholder((steps + 1, batch, size), kind, "c_state")
    j = reduce_over(width, "j", dtype)
    recurrent = te.compute(
        (steps + 1, batch, gates),
        lambda t, b, g: te.sum(h_state(t - 1, b, j.var) * Wh(g, j.var), j),
        "lstm_recurrent",
    )

    def gate(name: str, t: PrimExpr, b: PrimExpr, n: PrimExpr) -> PrimExpr:
        g = n + weight_layout.index(name) * size
        made: PrimExpr = moved(t - 1, b, g) + recurrent(t, b, g) + bias(g)
        return made

    def peeped(name: str, hole: Tensor | None, cell: PrimExpr, *at: PrimExpr) -> PrimExpr:
        value = gate(name, *at)
        return value if hole is None else value + cell * hole(*at[1:])

    def next_cell(t: PrimExpr, b: PrimExpr, n: PrimExpr) -> PrimExpr:
        before = c_state(t - 1, b, n)
        kept = f_act(peeped("F", p_f, before, t, b, n)) * before
        return kept + f_act(peeped("I", p_i, before, t, b, n)) * g_act(gate("G", t, b, n))

    cell = te.compute((steps + 1, batch, size), next_cell, "lstm_cell")

    def next_hidden(t: PrimExpr, b: PrimExpr, n: PrimExpr) -> PrimExpr:
        now = cell(t, b, n)
        return f_act(peeped("O", p_o, now, t, b, n)) * h_act(now)

    hidden = te.compute((steps + 1, batch, size), next_hidden, "lstm_hidden")
    if proj is not None:
        p = reduce_over(size, "p", dtype)
        inner = hidden
        hidden = te.compute(
            (steps + 1, batch, width),
            lambda t, b, n: te.sum(inner(t, b, p.var) * proj(n, p.var), p),
            "lstm_projected",
        )
    extra: list[Any] = [t for t in (Wh, Bi, Bh, proj, p_i, p_f, p_o) if t is not None]
    states = te.scan(
        [start_h, start_c], [hidden, cell], [h_state, c_state], inputs=[moved, *extra], name="lstm"
    )
    made = [
        te.compute((steps, batch, n), lambda t, b, i, s=s: s(t + 1, b, i), name)
        for s, n, name in zip(states, (width, size), ("lstm_out", "lstm_cells"), strict=True)
    ]
    return made[0], made[1]


def _start(given: Tensor | None, shape: Sizes, dtype: str, name: str) -> Tensor:
    """The first row of a state: what is given, or zeros."""

    def element(t: PrimExpr, b: PrimExpr, n: PrimExpr) -> PrimExpr:
        return op.const(0, dtype) if given is None else given(b, n)

    made: Tensor = te.compute((1, *shape), element, name)
    return made
