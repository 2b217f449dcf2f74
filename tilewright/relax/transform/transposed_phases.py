"""TransposedConvPhases: transposed convolutions as ordinary ones, without inserted zeros.

    y = conv2d_transpose(x, w, strides=2)       w of 4 x 4
->  p = conv2d(x, w', padding=1)                w' of 2 x 2, four times the channels
    y = p's channels interleaved with rows and columns

With stride `s`, the outputs `s * q + r` of one `r` are an ordinary convolution of the input with
every `s`-th tap of the filter (sub-pixel convolution: Shi et al. 2016, "Is the deconvolution layer
the same as a convolutional layer?"). The `s` of them have the same extent, so one convolution
computes them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ir.expr import IntImm, PrimExpr
from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.transform import Pass
from .. import op as R
from ..base import Expr
from ..dims import as_dim, simplify
from ..expr import Call, Constant, const, name_of
from ..op.nn._layout import SPATIAL
from ..op.nn.convolution import listed, pads
from ..struct_info import TensorStructInfo
from ._pass import module_level
from .canonicalize_bindings import Forwarder

RANKS = {f"relax.nn.conv{rank}d_transpose": rank for rank in (1, 2, 3)}

CONVOLUTIONS: dict[int, Any] = {1: R.nn.conv1d, 2: R.nn.conv2d, 3: R.nn.conv3d}

Move = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis of a transposed convolution whose filter has `taps` taps.

    `trim` is what padding takes away in front, `extra` what it leaves over behind a whole result
    (negative if it takes that away too).
    """

    size: PrimExpr
    taps: int
    stride: int
    dilation: int
    trim: int
    extra: int

    @property
    def reach(self) -> int:
        """How many outputs one input reaches."""
        return (self.taps - 1) * self.dilation + 1

    @property
    def phase_taps(self) -> int:
        """The taps of one phase, those between dilated ones counted."""
        return -(-self.reach // self.stride)

    @property
    def dilates(self) -> bool:
        """Whether the ordinary convolution is dilated; with a stride, zeros keep taps apart."""
        return self.stride == 1

    @property
    def before(self) -> int:
        """The ordinary convolution's padding in front."""
        return max(0, self.phase_taps - 1 - self.trim // self.stride)

    @property
    def after(self) -> int:
        """Its padding behind."""
        return max(0, -(-(self.reach - self.stride + self.extra) // self.stride))

    @property
    def skipped(self) -> int:
        """The outputs in front of the first that counts, once phases are interleaved."""
        return self.trim - self.stride * (self.phase_taps - 1 - self.before)

    @property
    def left_over(self) -> int:
        """The outputs behind the last that counts."""
        rows = self.before + self.after - self.phase_taps + 1
        return self.stride * (rows + 1) - self.reach + self.trim - self.extra - self.skipped

    @property
    def rows(self) -> PrimExpr:
        """The extent of each phase."""
        return simplify(self.size + (self.before + self.after - self.phase_taps + 1))


@dataclass(frozen=True, slots=True)
class Phases:
    """A transposed convolution of plain layouts as an ordinary one and an interleaving."""

    call: Call
    axes: tuple[Axis, ...]
    groups: int
    inputs: int
    """Channels that enter one group."""
    outputs: int
    """Channels that leave one group."""

    @staticmethod
    def of(call: Call) -> Phases | None:
        """The phases of `call`; None for other layouts, for unknown numbers of channels or taps,
        and where there is nothing to compute."""
        rank, attrs = RANKS[name_of(call.op)], call.attrs
        data, weight = (_dims(arg) for arg in call.args)
        plain = attrs.data_layout == "NC" + SPATIAL[rank] and attrs.out_layout in (
            None, attrs.data_layout,
        )  # fmt: skip
        if not plain or attrs.kernel_layout != "IO" + SPATIAL[rank] or not data or not weight:
            return None
        fixed = [d.value for d in (data[1], *weight) if isinstance(d, IntImm)]
        empty = any(isinstance(d, IntImm) and d.value < 1 for d in (*data, *(_dims(call) or ())))
        if len(fixed) != rank + 3 or 0 in fixed or empty:
            return None
        groups = int(attrs.groups)
        _, inputs, outputs, *taps = fixed
        before, after = pads(attrs.padding, rank)
        rows = zip(
            data[2:], taps, listed(attrs.strides, rank), listed(attrs.dilation, rank),
            before, after, listed(attrs.output_padding, rank), strict=True,
        )  # fmt: skip
        axes = tuple(
            Axis(n, k, int(s), int(d), int(b), int(e) - int(a)) for n, k, s, d, b, a, e in rows
        )
        return Phases(call, axes, groups, inputs // groups, outputs)

    @property
    def count(self) -> int:
        """How many phases there are."""
        return int(np.prod([a.stride for a in self.axes]))

    def weight_moves(self, outputs: int) -> list[Move]:
        """What makes of the filter that of the ordinary convolution, the channels that leave a
        group filled up to `outputs`: (I, O, k..) -> (groups * phases * outputs, I / groups, t..).
        """
        rank = len(self.axes)
        moves: list[Move] = [("reshape", (self.groups, self.inputs, self.outputs, *self._taps()))]
        spread, short, parts = [], [], []
        for axis in self.axes:
            wide = not axis.dilates and axis.dilation > 1
            length = axis.taps if axis.dilates else axis.phase_taps * axis.stride
            have = axis.taps * axis.dilation if wide else axis.taps
            spread.append(axis.dilation if wide else 1)
            short.append((have, length))
            parts += [length // axis.stride, axis.stride]
        if any(d > 1 for d in spread):
            moves += _apart((self.groups, self.inputs, self.outputs), self._taps(), spread)
        filled = [(0, 0), (0, 0), (0, outputs - self.outputs)]
        filled += [(0, max(0, length - have)) for have, length in short]
        if any(behind for _, behind in filled):
            moves.append(("pad", filled))
        if any(have > length for have, length in short):
            moves.append(("first", [self.groups, self.inputs, outputs, *(n for _, n in short)]))
        moves.append(("reshape", (self.groups, self.inputs, outputs, *parts)))
        moves.append(("flip", [3 + 2 * k for k in range(rank)]))
        phases, taps = [4 + 2 * k for k in range(rank)], [3 + 2 * k for k in range(rank)]
        moves.append(("permute", (0, *phases, 2, 1, *taps)))
        whole = self.groups * self.count * outputs
        return [*moves, ("reshape", (whole, self.inputs, *parts[::2]))]

    def _taps(self) -> list[int]:
        return [axis.taps for axis in self.axes]

    def convolution(self, data: Expr, weight: Expr) -> Call:
        """The ordinary convolution: its result's channels are (group, phase.., channel)."""
        padding = [a.before for a in self.axes] + [a.after for a in self.axes]
        dilation = [a.dilation if a.dilates else 1 for a in self.axes]
        made: Call = CONVOLUTIONS[len(self.axes)](
            data, weight, 1, padding, dilation, self.groups, out_dtype=self.call.attrs.out_dtype
        )
        return made

    def interleaving(self, batch: PrimExpr, lead: Sequence[int], tail: Sequence[int]) -> list[Move]:
        """What puts phases side by side: (N, lead[0], s.., lead[1], h.., *tail) ->
        (N, lead[0] * lead[1], s * h.., *tail), and what padding takes away is cut off."""
        rank = len(self.axes)
        strides, rows = [a.stride for a in self.axes], [a.rows for a in self.axes]
        moves: list[Move] = []
        if self.count > 1:
            image = [x for k in range(rank) for x in (rank + 3 + k, 2 + k)]
            last = range(2 * rank + 3, 2 * rank + 3 + len(tail))
            wide = [simplify(n * s) for n, s in zip(rows, strides, strict=True)]
            moves = [
                ("reshape", (batch, lead[0], *strides, lead[1], *rows, *tail)),
                ("permute", (0, 1, rank + 2, *image, *last)),
                ("reshape", (batch, lead[0] * lead[1], *wide, *tail)),
            ]
        if any(a.skipped or a.left_over for a in self.axes):
            begin = [a.skipped for a in self.axes]
            end = [simplify(a.rows * a.stride - a.left_over) for a in self.axes]
            moves.append(("slice", (list(range(2, 2 + rank)), begin, end)))
        return moves


def _apart(lead: Sequence[int], taps: Sequence[int], spread: Sequence[int]) -> list[Move]:
    """Zeros between taps: each followed by `spread - 1` of them."""
    pairs = [n for tap in taps for n in (tap, 1)]
    zeros = [w for d in spread for w in ((0, 0), (0, d - 1))]
    lengths = [tap * d for tap, d in zip(taps, spread, strict=True)]
    return [
        ("reshape", (*lead, *pairs)),
        ("pad", [(0, 0)] * len(lead) + zeros),
        ("reshape", (*lead, *lengths)),
    ]


def _dims(expr: Expr) -> tuple[PrimExpr, ...] | None:
    info = expr.struct_info
    return info.dims if isinstance(info, TensorStructInfo) else None


def _flipped(x: Expr, axes: Sequence[int], emit: Callable[[Expr], Expr]) -> Expr:
    for axis in axes:
        x = emit(R.flip(x, axis))
    return x


ARRAYS: Mapping[str, Callable[[Any, Any], Any]] = {
    "reshape": np.reshape,
    "pad": np.pad,
    "permute": np.transpose,
    "flip": np.flip,
    "first": lambda x, shape: x[tuple(slice(0, n) for n in shape)],
}
"""Moves of constants."""

OPERATORS: Mapping[str, Callable[[Expr, Any, Callable[[Expr], Expr]], Expr]] = {
    "reshape": lambda x, shape, _: R.reshape(x, tuple(as_dim(d) for d in shape)),
    "pad": lambda x, widths, _: R.nn.pad(x, [w for pair in widths for w in pair]),
    "permute": lambda x, order, _: R.permute_dims(x, order),
    "flip": _flipped,
    "first": lambda x, shape, _: R.strided_slice(
        x, list(range(len(shape))), [0] * len(shape), shape, assume_inbound=True
    ),
    "slice": lambda x, what, _: R.strided_slice(x, what[0], what[1], what[2], assume_inbound=True),
}
"""Moves of values of the program."""


def moved(x: Expr, moves: Sequence[Move], emit: Callable[[Expr], Expr]) -> Expr:
    """`x` after all `moves`; what a constant becomes is a constant."""
    if isinstance(x, Constant) and all(name in ARRAYS for name, _ in moves):
        array = x.array
        for name, argument in moves:
            array = ARRAYS[name](array, argument)
        return const(np.ascontiguousarray(array))
    for name, argument in moves:
        x = emit(OPERATORS[name](x, argument, emit))
    return x


class _Phaser(Forwarder):
    """Rewrites functions; only what has fewer channels than `below`, if that is a number."""

    def __init__(self, mod: IRModule, below: int | None) -> None:
        super().__init__(mod)
        self.below = below

    def visit_call_(self, op: Call) -> Expr:
        """A transposed convolution becomes an ordinary one."""
        call = self.visit_expr_post_order(op)
        known = isinstance(call, Call) and isinstance(call.op, Op) and call.op.name in RANKS
        phases = Phases.of(call) if known else None  # type: ignore[arg-type]
        if phases is None or (self.below is not None and phases.outputs >= self.below):
            return call
        with self.builder_.at(call.span):
            return self._ordinary(phases)

    def _ordinary(self, phases: Phases) -> Expr:
        data, weight = phases.call.args
        emit = self.builder_.emit
        turned = moved(weight, phases.weight_moves(phases.outputs), emit)
        found = emit(phases.convolution(data, turned))
        dims = _dims(data)
        assert dims is not None
        return moved(found, phases.interleaving(dims[0], (phases.groups, phases.outputs), ()), emit)


def TransposedConvPhases(below: int | None = None) -> Pass:
    """Writes transposed convolutions of plain layouts as ordinary ones of their phases.

    `below`: only those that give each group fewer channels than that, too few for a block.
    """

    def transform(mod: IRModule) -> IRModule:
        return _Phaser(mod, below).transform()

    return module_level("TransposedConvPhases", transform)
