"""BlockChannels: images in blocked layouts from end to end, weights packed ahead.

    y = conv2d(x, w)            NCHW, OIHW
->  y = conv2d(x', w')          NCHW16c, OIHW16i16o    (or conv2d_winograd where that is faster)

A convolution wants its channels in blocks of one vector. From it the layout spreads to what
follows, elementwise operators, pooling, concatenation, resizing, and comes back where an operator
needs the plain one. An image that is made larger on its way to convolutions changes while it is
small. Channels that do not fill the last block are padded: weights and constants with zeros, so
what the padding holds reaches no result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ir.expr import IntImm, PrimExpr
from ...ir.op import Op
from ...ir.transform import Pass
from ...target import Target
from ...target.machine import MachineModel
from ...tir.analysis.usual import USUAL_IMAGE, usual_value
from .. import op as R
from ..base import Expr
from ..dims import is_equal
from ..expr import Call, Constant, DataflowBlock, DataflowVar, Tuple, Var, VarBinding, const
from ..expr_functor import PyExprMutator
from ..op.nn.convolution import listed, pads
from ..struct_info import TensorStructInfo
from ._pass import module_level
from .dilated_phases import DilatedAxis, DilatedPhases
from .layout_demand import LayoutDemand
from .transposed_phases import Phases, moved
from .winograd_choice import Window, best_tile

Rule = Callable[["Blocker", Call], "Blocked | None"]

WASTE = 1.1
"""By how much whole blocks must exceed half ones for the latter to be chosen."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """A value in NCHW`block`c whose first `channels` channels count."""

    value: Expr
    channels: int
    block: int

    @property
    def padded(self) -> int:
        """Channels, those of the padding counted."""
        return -(-self.channels // self.block) * self.block


def pack_axis(array: np.ndarray[Any, Any], axis: int, block: int) -> np.ndarray[Any, Any]:
    """`array` with `axis` padded by zeros to whole blocks and split into (blocks, block)."""
    missing = -array.shape[axis] % block
    if missing:
        widths = [(0, missing if i == axis else 0) for i in range(array.ndim)]
        array = np.pad(array, widths)
    shape = list(array.shape)
    shape[axis : axis + 1] = [shape[axis] // block, block]
    return array.reshape(shape)


def pack_weight(weight: np.ndarray[Any, Any], inner: int, outer: int) -> np.ndarray[Any, Any]:
    """OIHW as OIHW`inner`i`outer`o."""
    blocks = pack_axis(pack_axis(weight, 1, inner), 0, outer)
    return np.ascontiguousarray(blocks.transpose(0, 2, 4, 5, 3, 1))


def pack_channels(array: np.ndarray[Any, Any], block: int) -> np.ndarray[Any, Any]:
    """NCHW as NCHW`block`c."""
    return np.ascontiguousarray(pack_axis(array, 1, block).transpose(0, 1, 3, 4, 2))


def _dims(expr: Expr) -> tuple[PrimExpr, ...] | None:
    info = expr.struct_info
    return info.dims if isinstance(info, TensorStructInfo) else None


def _channels(expr: Expr) -> int | None:
    dims = _dims(expr)
    if dims is None or len(dims) != 4 or not isinstance(dims[1], IntImm):
        return None
    return dims[1].value


class Blocker(PyExprMutator):
    """Rewrites functions; `blocked` holds the blocked form of variables that have one."""

    def __init__(
        self, mod: Any, lanes: Callable[[str], int], machine: MachineModel | None = None
    ) -> None:
        super().__init__(mod)
        self.lanes = lanes
        self.machine = machine
        self.blocked: dict[Var, Blocked] = {}
        self.demand: LayoutDemand | None = None

    # the plain and the blocked form of a value

    def visit_dataflow_block_(self, block: DataflowBlock) -> None:
        """Only dataflow blocks are rewritten."""
        outer = self.demand
        self.demand = LayoutDemand(block, self._wish, RULES)
        super().visit_dataflow_block_(block)
        self.demand = outer

    def visit_var_binding_(self, binding: VarBinding) -> None:
        """Binds the blocked form where the operator's rule makes one."""
        value = binding.value
        inside = self.demand is not None
        if inside and isinstance(value, Var) and value in self.blocked:
            self.blocked[binding.var] = self.blocked[value]
        rule = self._rule(value)
        small = _enlarged(value)
        if small is not None and self.demand is not None and self.demand.wants_blocks(binding.var):
            self._into_blocks(small)
        stays = rule is None or not inside or self._stays_plain(binding)
        made = None if stays else rule(self, value)  # type: ignore[arg-type,misc]
        if made is None:
            super().visit_var_binding_(binding)
            return
        call = made.value
        if isinstance(call, Call) and call.span is None:
            call = call.replace(span=value.span)
        held = self.builder_.emit(call, binding.var.name_hint)
        self.blocked[binding.var] = Blocked(held, made.channels, made.block)
        if not isinstance(binding.var, DataflowVar):
            plain = self.builder_.normalize(self._plain_of(self.blocked[binding.var]))
            self.reemit_binding(binding, plain, self.visit_var_def(binding.var))

    def _into_blocks(self, data: Expr) -> None:
        """Holds a variable in blocks of channels, unless they fill less than one."""
        channels = _channels(data)
        if not isinstance(data, Var) or data in self.blocked or channels is None:
            return
        info = data.struct_info
        assert isinstance(info, TensorStructInfo)
        block = _in_block(self, data, channels, self.lanes(info.dtype))
        if block > 1:
            self.as_blocked(data, block)

    def _rule(self, value: Expr) -> Rule | None:
        if isinstance(value, Call) and isinstance(value.op, Op):
            return RULES.get(value.op.name)
        return None

    def _wish(self, call: Call) -> bool | None:
        """Whether a convolution wants blocks; None for what goes along."""
        if call.op is not Op.get("relax.nn.conv2d"):
            return None
        kind = _kind_of(self, call)
        return None if kind == "depthwise" else kind == "dense"

    def _stays_plain(self, binding: VarBinding) -> bool:
        """True if what follows wants the plain layout and an input has it, the only one."""
        value, demand = binding.value, self.demand
        if demand is None or not demand.prefers_plain(binding.var) or not isinstance(value, Call):
            return False
        if self._wish(value):
            return False
        args = value.args[0].items if isinstance(value.args[0], Tuple) else value.args
        images = [a for a in args if isinstance(a, Var) and _channels(a) is not None]
        return any(self.held(a) is None for a in images)

    def visit_var_(self, op: Var) -> Expr:
        """A use in plain layout: transformed back if only the blocked form is there."""
        return self._plain(op)

    def visit_dataflow_var_(self, op: Any) -> Expr:
        """As other variables."""
        return self._plain(op)

    def _plain(self, var: Var) -> Expr:
        if var not in self.var_remap and var in self.blocked:
            self.var_remap[var] = self.builder_.emit(self._plain_of(self.blocked[var]))
        return self.var_remap.get(var, var)

    def _plain_of(self, source: Blocked) -> Expr:
        block = source.block
        whole = R.layout_transform(source.value, lambda n, c, h, w, b: (n, c * block + b, h, w))
        if source.padded == source.channels:
            return whole
        held = self.builder_.emit(whole)
        return R.strided_slice(held, [1], [0], [source.channels], assume_inbound=True)

    def as_blocked(self, expr: Expr, block: int) -> Blocked | None:
        """`expr` (of four dimensions) in blocks of `block` channels; None if it cannot be."""
        if isinstance(expr, Var) and expr in self.blocked:
            known = self.blocked[expr]
            if known.block == block:
                return known
        channels = _channels(expr)
        if channels is None:
            return None
        if isinstance(expr, Constant):
            return Blocked(const(pack_channels(expr.array, block)), channels, block)
        plain = self.visit_expr(expr)
        held = Blocked(self.builder_.emit(self._in_blocks(plain, channels, block)), channels, block)
        if isinstance(expr, Var):
            self.blocked[expr] = held
            self.var_remap.setdefault(expr, plain)
        return held

    def _in_blocks(self, plain: Expr, channels: int, block: int) -> Expr:
        dims = _dims(plain)
        if block == 1 and dims is not None:
            return R.reshape(plain, (*dims, 1))
        source = plain
        if channels < block:  # the map of `c` to `c % block` would give less than a block
            source = self.builder_.emit(R.nn.pad(plain, [0, 0, 0, block - channels, 0, 0, 0, 0]))
        pad = 0.0 if channels > block and channels % block else None
        return R.layout_transform(source, lambda n, c, h, w: (n, c // block, h, w, c % block), pad)

    def held(self, expr: Expr) -> Blocked | None:
        """The blocked form of `expr` if there is one already."""
        return self.blocked.get(expr) if isinstance(expr, Var) else None


# ---- rules ----------------------------------------------------------------------------------


def _kind_of(b: Blocker, call: Call) -> str | None:
    """ "dense" or "depthwise" for a convolution that can be in blocks; None for others."""
    data, weight = call.args
    attrs = call.attrs
    plain = attrs.data_layout == "NCHW" and attrs.kernel_layout == "OIHW"
    plain = plain and attrs.out_layout in (None, "NCHW")
    channels = _channels(data)
    if not plain or not isinstance(weight, Constant) or channels is None:
        return None
    lanes = b.lanes(weight.dtype)
    out, per_group = weight.array.shape[:2]
    groups = int(attrs.groups)
    if groups == channels and out == channels and per_group == 1 and groups > 1:
        return "depthwise"
    whole = per_group % lanes == 0 and (out // groups) % lanes == 0
    return "dense" if groups == 1 or whole else None


def _conv2d(b: Blocker, call: Call) -> Blocked | None:
    kind, channels = _kind_of(b, call), _channels(call.args[0])
    if kind is None or channels is None:
        return None
    lanes = b.lanes(call.args[1].dtype)  # type: ignore[attr-defined]
    if kind == "depthwise":
        return _depthwise_conv(b, call, channels, lanes)
    return _dense_conv(b, call, channels, call.args[1].array.shape[0], lanes)  # type: ignore[attr-defined]


def _in_block(b: Blocker, data: Expr, channels: int, lanes: int) -> int:
    """The block of input channels: the one that they have, else as of output channels, unless there
    are fewer than that."""
    held = b.held(data)
    if held is not None:
        return held.block
    return 1 if channels < lanes // 2 else _out_block(b, channels, lanes)


def _out_block(b: Blocker, out: int, lanes: int) -> int:
    """The block of output channels: a vector, or half of one where that leaves less unused."""
    half = lanes // 2
    if b.machine is None or b.machine.halved() is None or lanes % 2:
        return lanes
    return half if WASTE * (-(-out // half) * half) <= -(-out // lanes) * lanes else lanes


def _conv2d_transpose(b: Blocker, call: Call) -> Blocked | None:
    """The phases as one convolution in blocks, which are then interleaved whole."""
    weight, channels, phases = call.args[1], _channels(call.args[0]), Phases.of(call)
    if phases is None or not isinstance(weight, Constant) or phases.groups > 1 or not channels:
        return None
    lanes = b.lanes(weight.dtype)
    block = _out_block(b, phases.outputs, lanes)
    padded = -(-phases.outputs // block) * block
    turned = moved(weight, phases.weight_moves(padded), b.builder_.emit)
    conv = b.builder_.normalize(phases.convolution(call.args[0], turned))
    assert isinstance(conv, Call)
    made = _dense_conv(b, conv, channels, phases.count * padded, lanes, block)
    dims = _dims(conv)
    if made is None or dims is None:
        return None
    with b.builder_.at(call.span):
        held = b.builder_.emit(made.value)
        moves = phases.interleaving(dims[0], (1, padded // block), (block,))
        return Blocked(moved(held, moves, b.builder_.emit), phases.outputs, block)


def _dense_conv(
    b: Blocker, call: Call, channels: int, out: int, lanes: int, block: int | None = None
) -> Blocked | None:
    weight = call.args[1]
    assert isinstance(weight, Constant)
    window = _window(call, channels, out) if block in (None, lanes) else None
    tile = None
    if window is not None and b.machine is not None:
        phases, images = window.phases, window.images
        tile = best_tile(b.machine, window.whole, weight.dtype, images, window.moved)
    inner = lanes if tile is not None else _in_block(b, call.args[0], channels, lanes)
    data = b.as_blocked(call.args[0], inner)
    if data is None:
        return None
    if tile is not None and window is not None:
        turned = const(R.nn.pack_winograd(weight.array, tile, inner, lanes))
        return Blocked(
            _winograd(b, call, data, turned, phases, (-(-out // lanes), lanes)), out, lanes
        )
    if int(call.attrs.groups) == 1:
        lanes = block or _out_block(b, out, lanes)
    packed = const(pack_weight(weight.array, inner, lanes))
    return Blocked(
        _conv(call, data.value, packed, f"NCHW{inner}c", f"OIHW{inner}i{lanes}o", lanes), out, lanes
    )


@dataclass(frozen=True, slots=True)
class _Windows:
    """A convolution that Winograd's algorithm can make: for a dilated one its phases, the images
    that these are, and how many numbers they move."""

    whole: Window
    phases: DilatedPhases | None = None
    images: Window | None = None
    moved: int = 0


def _window(call: Call, channels: int, out: int) -> _Windows | None:
    """The convolution by windows of 3 x 3 that `call` is; None if it is another."""
    attrs, weight, dims, source = call.attrs, call.args[1], _dims(call), _dims(call.args[0])
    assert isinstance(weight, Constant)
    plain = _all_ones(attrs.strides) and int(attrs.groups) == 1
    if not plain or weight.array.shape[2:] != (3, 3) or dims is None or source is None:
        return None
    if attrs.out_dtype not in (None, "", weight.dtype):
        return None
    images = dims[0].value if isinstance(dims[0], IntImm) else 1
    whole = Window(images, channels, out, *(usual_value(d, USUAL_IMAGE) for d in dims[2:]))
    if _all_ones(attrs.dilation):
        return _Windows(whole)
    known = [d.value for d in (*source[2:], *dims[2:]) if isinstance(d, IntImm)]
    if len(known) < 4:
        return None
    before, after = pads(attrs.padding, 2)
    rows = zip(known[:2], listed(attrs.dilation, 2), before, after, strict=True)
    h, w = (DilatedAxis(n, int(d), 3, int(b), int(a)) for n, d, b, a in rows)
    phases = DilatedPhases(h, w)
    many = images * phases.count
    moved = 2 * many * (channels * h.length * w.length + out * h.rows * w.rows)
    return _Windows(whole, phases, Window(many, channels, out, h.rows, w.rows), moved)


def _winograd(
    b: Blocker,
    call: Call,
    data: Blocked,
    weight: Expr,
    phases: DilatedPhases | None,
    out: tuple[int, int],
) -> Expr:
    """The convolution of images in blocks with a transformed weight; `out`: how many blocks of how
    many channels it gives."""
    if phases is None:
        made: Expr = R.nn.conv2d_winograd(data.value, weight, call.attrs.padding)
        return made
    dims = _dims(call)
    assert dims is not None
    emit, blocks = b.builder_.emit, data.padded // data.block
    with b.builder_.at(call.span):
        apart = moved(data.value, phases.apart(dims[0], blocks, data.block), emit)
        padding = [axis.padding[k] for k in (0, 1) for axis in (phases.height, phases.width)]
        found = emit(R.nn.conv2d_winograd(apart, weight, padding))
        return moved(found, phases.together(dims[0], *out), emit)


def _all_ones(value: Any) -> bool:
    return all(int(v) == 1 for v in (value if isinstance(value, (list, tuple)) else [value]))


def _conv(call: Call, data: Expr, weight: Expr, layout: str, kernel: str, lanes: int) -> Expr:
    a = call.attrs
    made: Expr = R.nn.conv2d(
        data, weight, a.strides, a.padding, a.dilation, a.groups, layout, kernel,
        f"NCHW{lanes}c", a.out_dtype,
    )  # fmt: skip
    return made


def _depthwise_conv(b: Blocker, call: Call, channels: int, lanes: int) -> Blocked | None:
    weight = call.args[1]
    assert isinstance(weight, Constant)
    held = b.held(call.args[0])
    lanes = held.block if held is not None and 2 * held.block >= lanes else lanes
    data = b.as_blocked(call.args[0], lanes)
    if data is None:
        return None
    packed = const(pack_weight(weight.array, 1, lanes))
    made = _conv(call, data.value, packed, f"NCHW{lanes}c", f"OIHW1i{lanes}o", lanes)
    grouped = made.replace(attrs={**made.attrs, "groups": data.padded})  # type: ignore[attr-defined]
    return Blocked(grouped, channels, lanes)


def _unary(b: Blocker, call: Call) -> Blocked | None:
    data = b.held(call.args[0])
    if data is None:
        return None
    return Blocked(
        call.replace(args=(data.value, *call.args[1:]), span=None), data.channels, data.block
    )


def _pool(b: Blocker, call: Call) -> Blocked | None:
    data = b.held(call.args[0])
    if data is None or call.attrs.layout != "NCHW" or call.attrs.out_layout not in (None, "NCHW"):
        return None
    attrs = {**call.attrs, "layout": f"NCHW{data.block}c", "out_layout": None}
    moved = call.replace(args=(data.value,), attrs=attrs, span=None)
    return Blocked(moved, data.channels, data.block)


def _enlarged(value: Expr) -> Expr | None:
    """The image of which rows or columns are picked, no fewer than there are; None if none are."""
    if not isinstance(value, Call) or value.op is not Op.get("relax.take"):
        return None
    before, after, axis = _dims(value.args[0]), _dims(value), value.attrs.axis
    if before is None or after is None or (len(before), len(after)) != (4, 4):
        return None
    if axis is None or axis % 4 < 2:
        return None
    known = [dims[axis] for dims in (before, after)]
    few, many = (d.value if isinstance(d, IntImm) else 0 for d in known)
    return value.args[0] if 0 < few <= many else None


def _take(b: Blocker, call: Call) -> Blocked | None:
    """Rows or columns of an image."""
    data, indices = b.held(call.args[0]), _dims(call.args[1])
    axis = call.attrs.axis
    if data is None or indices is None or len(indices) != 1 or axis is None or axis % 4 < 2:
        return None
    attrs = {**call.attrs, "axis": axis % 4}
    moved = call.replace(args=(data.value, b.visit_expr(call.args[1])), attrs=attrs, span=None)
    return Blocked(moved, data.channels, data.block)


def _spatial_mean(b: Blocker, call: Call) -> Blocked | None:
    data = b.held(call.args[0])
    axes = call.attrs.axis
    if data is None or not call.attrs.keepdims or axes is None:
        return None
    listed = axes if isinstance(axes, tuple) else (axes,)
    if not {a % 4 for a in listed} <= {2, 3}:
        return None
    attrs = {**call.attrs, "axis": tuple(a % 4 for a in listed)}
    moved = call.replace(args=(data.value,), attrs=attrs, span=None)
    return Blocked(moved, data.channels, data.block)


def _binary(b: Blocker, call: Call) -> Blocked | None:
    """Operands that already are blocked decide; others follow if their channels allow it."""
    known = [b.held(arg) for arg in call.args]
    first = next((k for k in known if k is not None), None)
    if first is None:
        return None
    operands = [_operand(b, arg, first) for arg in call.args]
    if any(o is None for o in operands):
        return None
    args = tuple(o for o in operands if o is not None)
    return Blocked(call.replace(args=args, span=None), first.channels, first.block)


def _operand(b: Blocker, arg: Expr, like: Blocked) -> Expr | None:
    held = b.held(arg)
    if held is not None:
        same = held.channels == like.channels and held.block == like.block
        return held.value if same else None
    dims = _dims(arg)
    if dims is None:
        return None
    if all(isinstance(d, IntImm) and d.value == 1 for d in dims):
        return const(arg.array.reshape(())) if isinstance(arg, Constant) else None
    if isinstance(arg, Constant):
        return _constant_operand(arg.array, like)
    if len(dims) == 4 and is_equal(dims[1], IntImm("int64", like.channels)):
        made = b.as_blocked(arg, like.block)
        return None if made is None else made.value
    return None


def _constant_operand(array: np.ndarray[Any, Any], like: Blocked) -> Expr | None:
    if array.ndim > 4:
        return None
    whole = array.reshape((1,) * (4 - array.ndim) + array.shape)
    if whole.shape[1] == 1:
        return const(whole.reshape(*whole.shape, 1))
    if whole.shape[1] != like.channels:
        return None
    return const(pack_channels(whole, like.block))


def _concat(b: Blocker, call: Call) -> Blocked | None:
    parts = call.args[0]
    if not isinstance(parts, Tuple) or call.attrs.axis not in (1, -3):
        return None
    known = [b.held(p) for p in parts]
    first = next((k for k in known if k is not None), None)
    if first is None or any(_channels(p) is None for p in parts):
        return None
    sizes = [_channels(p) or 0 for p in parts]
    if any(size % first.block for size in sizes[:-1]):
        return None
    blocks = [b.as_blocked(p, first.block) for p in parts]
    values = [x.value for x in blocks if x is not None]
    if len(values) != len(sizes):
        return None
    return Blocked(R.concat(values, 1), sum(sizes), first.block)


RULES: dict[str, Rule] = {
    "relax.nn.conv2d": _conv2d,
    "relax.nn.conv2d_transpose": _conv2d_transpose,
    "relax.concat": _concat,
    "relax.take": _take,
    "relax.mean": _spatial_mean,
    "relax.max": _spatial_mean,
}
"""What each operator makes of blocked arguments."""

for _name in (
    "nn.relu", "nn.relu6", "nn.leakyrelu", "nn.silu", "nn.gelu", "nn.gelu_tanh", "nn.softplus",
    "clip", "sigmoid", "tanh", "exp", "sqrt", "rsqrt", "abs", "negative", "erf", "floor", "ceil",
    "round", "square", "astype", "sign",
):  # fmt: skip
    RULES[f"relax.{_name}"] = _unary
for _name in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power"):
    RULES[f"relax.{_name}"] = _binary
for _name in ("nn.max_pool2d", "nn.avg_pool2d"):
    RULES[f"relax.{_name}"] = _pool


def BlockChannels(lanes: int | None = None) -> Pass:
    """Gives convolutions and what surrounds them layouts with blocks of `lanes` channels.

    By default a block is one vector of the current target's machine model.
    """

    def transform(mod: Any) -> Any:
        target = Target.current(allow_none=True)
        if lanes is None and (target is None or target.kind.name != "llvm"):
            return mod
        if lanes is not None:
            return Blocker(mod, lambda dtype: lanes).transform()
        machine = MachineModel.of(target)  # type: ignore[arg-type]
        return Blocker(mod, machine.lanes, machine).transform()

    return module_level("BlockChannels", transform)
