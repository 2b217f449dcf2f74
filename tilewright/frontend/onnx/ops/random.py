"""Random numbers, by packed functions; `seed` makes them the same in every run."""

from __future__ import annotations

from typing import Any

from .... import relax
from ....relax import op as R
from ..node import NodeContext, Result
from ..registry import onnx_op
from ..values import element_dtype, shape_expr, tensor_info

Expr = relax.Expr


def _seed(n: NodeContext) -> list[Any]:
    return [float(n.attr("seed", 0.0)), int(n.has_attr("seed"))]


def draw(n: NodeContext, name: str, dims: list[Any], a: float, b: float, dtype: str) -> Expr:
    """Random numbers of a distribution with two parameters."""
    info = tensor_info(dims, dtype)
    args = [shape_expr(dims), float(a), float(b), *_seed(n), dtype]
    return n.emit(R.call_pure_packed(f"vm.random.{name}", *args, sinfo_args=info))


_PARAMETERS = {"Uniform": ("low", 0.0, "high", 1.0), "Normal": ("mean", 0.0, "scale", 1.0)}


@onnx_op("RandomUniform", "RandomNormal", "RandomUniformLike", "RandomNormalLike")
def random(n: NodeContext) -> Result:
    """Numbers of a shape given by an attribute, or like the input."""
    kind = n.op_type.removeprefix("Random").removesuffix("Like")
    like = n.op_type.endswith("Like")
    code = n.attr("dtype")
    dtype = element_dtype(int(code)) if code else n.dtype(0) if like else "float32"
    first, low, second, high = _PARAMETERS[kind]
    dims = n.shape(0) if like else [int(d) for d in n.attr("shape")]
    return draw(n, kind.lower(), dims, n.attr(first, low), n.attr(second, high), dtype)


@onnx_op("Multinomial")
def multinomial(n: NodeContext) -> Result:
    """Classes drawn by log probabilities."""
    count = int(n.attr("sample_size", 1))
    dtype = element_dtype(int(n.attr("dtype", 6)))
    info = tensor_info([n.shape(0)[0], count], dtype)
    args = [n[0], count, *_seed(n), dtype]
    return R.call_pure_packed("vm.random.multinomial", *args, sinfo_args=info)


@onnx_op("Dropout", since=1)
def dropout_attributes(n: NodeContext) -> Result:
    """The input itself, and a mask that keeps everything (opsets below 12 do not train)."""
    return _kept(n)


def _kept(n: NodeContext) -> Result:
    if n.num_outputs == 1:
        return n[0]
    return [n[0], R.full(n.shape(0), n.const(True, "bool"), "bool")]


@onnx_op("Dropout", since=12)
def dropout(n: NodeContext) -> Result:
    """In training: elements set to 0 at random, the others grown; the mask of those kept."""
    training = n.has(2) and bool(n.require_constant(2, "the mode").reshape(-1)[0])
    ratio = float(n.require_constant(1, "the ratio").reshape(-1)[0]) if n.has(1) else 0.5
    if not training or ratio == 0.0:
        return _kept(n)
    dtype = n.dtype(0)
    numbers = draw(n, "uniform", n.shape(0), 0.0, 1.0, "float64")
    mask = n.emit(R.greater_equal(numbers, n.const(ratio, "float64")))
    grown = n.emit(R.multiply(n[0], n.const(1.0 / (1.0 - ratio), dtype)))
    return [n.emit(R.where(mask, grown, n.const(0, dtype))), mask]
