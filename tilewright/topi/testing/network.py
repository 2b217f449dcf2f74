"""NumPy references of attention, recurrent layers, losses and correlation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .norm import softmax_python

Array = np.ndarray[Any, Any]

__all__ = [
    "attention_python", "correlation_nchw_python", "dense", "l2_normalize_python", "lstm_python",
    "nll_loss",
]  # fmt: skip


def attention_python(
    q: Array,
    k: Array,
    v: Array,
    bias: Array | None,
    qk_scale: float,
    causal: str,
    window_size: int | None = None,
    layout: str = "BSNH",
) -> tuple[Array, Array]:
    """Attention over (batch, sequence, heads, size) (or BNSH), and its scores.

    `causal` is "none", "TopLeft" or "BottomRight"; keys of fewer heads serve groups of queries;
    a query sees at most `window_size` keys up to its own place.
    """
    if layout == "BSNH":
        q, k, v = (x.transpose(0, 2, 1, 3) for x in (q, k, v))
    k, v = (np.repeat(x, q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    score = q @ k.swapaxes(-1, -2)
    score = score * (q.shape[-1] ** -0.5 if qk_scale is None else qk_scale)
    if bias is not None:
        score = score + bias
    seen = np.ones(score.shape[-2:], bool)
    shift = score.shape[-1] - score.shape[-2] if causal == "BottomRight" else 0
    if causal != "none":
        seen = np.tril(seen, shift)
    if window_size is not None:
        seen &= np.triu(np.ones_like(seen), shift - window_size + 1)
    score = softmax_python(np.where(seen, score, -np.inf), -1).astype(q.dtype)
    made = score @ v
    return (made.transpose(0, 2, 1, 3) if layout == "BSNH" else made), score


def dense(
    x: Array,
    y: Array,
    bias: Array | None,
    use_bias: bool = False,
    use_relu: bool = False,
    out_dtype: str | None = None,
) -> Array:
    """`x @ y.T`, with a bias and a rectifier on request."""
    kind = out_dtype or x.dtype
    made = x.astype(kind) @ y.T.astype(kind)
    if use_bias and bias is not None:
        made = made + bias
    result: Array = np.maximum(made, 0) if use_relu else made
    return result


def l2_normalize_python(a_np: Array, eps: float, axis: Any = None) -> Array:
    """Over the root of the sum of squares along `axis`, which is at least `eps`."""
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else axis
    total = np.sum(a_np**2, axis=axes, keepdims=True)
    made: Array = a_np / np.sqrt(np.maximum(total, eps))
    return made


def _sigmoid(x: Array) -> Array:
    made: Array = 1 / (1 + np.exp(-x))
    return made


_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
}


def lstm_python(
    Xs: Array,
    Wi: Array,
    Wh: Array,
    Bi: Array | None = None,
    Bh: Array | None = None,
    h_init: Array | None = None,
    c_init: Array | None = None,
    proj: Array | None = None,
    p_i: Array | None = None,
    p_f: Array | None = None,
    p_o: Array | None = None,
    f_act: str = "sigmoid",
    g_act: str = "tanh",
    h_act: str = "tanh",
    reverse: bool = False,
    weight_layout: str = "IFGO",
) -> tuple[Array, Array]:
    """The hidden and the cell states of a long short-term memory over (time, batch, features)."""
    steps, batch, _ = Xs.shape
    size = Wi.shape[0] // 4
    gate, candidate, out = (_ACTIVATIONS[name] for name in (f_act, g_act, h_act))
    width = proj.shape[0] if proj is not None else size
    h = np.zeros((batch, width), Xs.dtype) if h_init is None else h_init
    c = np.zeros((batch, size), Xs.dtype) if c_init is None else c_init
    hidden, cells = (
        np.zeros((steps, batch, width), Xs.dtype),
        np.zeros((steps, batch, size), Xs.dtype),
    )
    for t in range(steps):
        z = Xs[steps - 1 - t if reverse else t] @ Wi.T + h @ Wh.T
        z = z + (Bi if Bi is not None else 0) + (Bh if Bh is not None else 0)
        own = {letter: z[:, k * size : (k + 1) * size] for k, letter in enumerate(weight_layout)}
        i = gate(own["I"] + (c * p_i if p_i is not None else 0))
        f = gate(own["F"] + (c * p_f if p_f is not None else 0))
        c = f * c + i * candidate(own["G"])
        o = gate(own["O"] + (c * p_o if p_o is not None else 0))
        h = o * out(c)
        if proj is not None:
            h = h @ proj.T
        hidden[t], cells[t] = h, c
    return hidden, cells


def nll_loss(
    predictions: Array,
    targets: Array,
    weights: Array,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Array:
    """The negative log likelihood of `targets` under (N, C, ...) log probabilities."""
    kept = targets != ignore_index
    safe = np.where(kept, targets, 0)
    if predictions.ndim == 1:
        picked = predictions[safe]
    else:
        picked = np.take_along_axis(predictions, safe[:, None], 1)[:, 0]
    own = np.where(kept, weights[safe], 0).astype(predictions.dtype)
    loss: Array = -picked * own
    if reduction == "none":
        return loss
    total = loss.sum()
    return np.asarray(total / own.sum() if reduction == "mean" else total, predictions.dtype)


def correlation_nchw_python(
    data1: Array,
    data2: Array,
    kernel_size: int,
    max_displacement: int,
    stride1: int,
    stride2: int,
    padding: Any,
    is_multiply: bool,
) -> Array:
    """Patches of one image against displaced patches of another (FlowNet, Dosovitskiy et al.)."""
    top, left, bottom, right = (padding,) * 4 if isinstance(padding, int) else (
        (padding[0], padding[1]) * 2 if len(padding) == 2 else tuple(padding)
    )  # fmt: skip
    widths = ((0, 0), (0, 0), (top, bottom), (left, right))
    a, b = (np.pad(x.astype("float64"), widths) for x in (data1, data2))
    radius = (kernel_size - 1) // 2
    border = max_displacement + radius
    height = int(np.ceil((a.shape[2] - 2 * border) / stride1))
    width = int(np.ceil((a.shape[3] - 2 * border) / stride1))
    reach = max_displacement // stride2
    grid = 2 * reach + 1
    out = np.zeros((a.shape[0], grid * grid, height, width))
    volume = kernel_size * kernel_size * a.shape[1]
    for q, i, j in np.ndindex(grid * grid, height, width):
        y, x = i * stride1 + max_displacement, j * stride1 + max_displacement
        dy, dx = (q // grid - reach) * stride2, (q % grid - reach) * stride2
        one = a[:, :, y : y + kernel_size, x : x + kernel_size]
        two = b[:, :, y + dy : y + dy + kernel_size, x + dx : x + dx + kernel_size]
        pair = one * two if is_multiply else np.abs(one - two)
        out[:, q, i, j] = pair.sum((1, 2, 3)) / volume
    return out.astype(data1.dtype)
