"""Blocks of operators are called as in TVM: scripts name them in `Schedule.get_block`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tilewright import te, tir, topi


def tensors(*shapes: tuple[int, ...], dtype: str = "float32") -> list[te.Tensor]:
    return [te.placeholder(s, dtype, "abcdef"[k]) for k, s in enumerate(shapes)]


def convolution(name: str, data: tuple[int, ...], kernel: tuple[int, ...], *rest: Any) -> Any:
    return lambda: getattr(topi.nn, name)(*tensors(data, kernel), *rest)


OPERATORS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "relu": (lambda: topi.nn.relu(*tensors((4,))), ["compute"]),
    "leaky_relu": (lambda: topi.nn.leaky_relu(*tensors((4,)), 0.1), ["compute"]),
    "exp": (lambda: topi.exp(*tensors((4,))), ["compute"]),
    "fast_exp": (lambda: topi.fast_exp(*tensors((4,))), ["T_fast_exp"]),
    "sign": (lambda: topi.sign(*tensors((4,))), ["T_sign"]),
    "cast": (lambda: topi.cast(*tensors((4,)), "int32"), ["compute"]),
    "reinterpret": (lambda: topi.reinterpret(*tensors((4,)), "int32"), ["tensor"]),
    "add": (lambda: topi.add(*tensors((4,), (4,))), ["T_add"]),
    "logical_not": (lambda: topi.logical_not(*tensors((4,), dtype="bool")), ["T_logical_not"]),
    "sum": (lambda: topi.sum(*tensors((4, 5)), 1), ["a_red"]),
    "argmax": (lambda: topi.argmax(*tensors((4, 5)), 1), ["a_red_temp", "a_red"]),
    "transpose": (lambda: topi.transpose(*tensors((4, 5))), ["T_transpose"]),
    "flip": (lambda: topi.flip(*tensors((4, 5))), ["T_reverse_sequence"]),
    "split": (lambda: topi.split(*tensors((4, 6)), [3], 1), ["T_split", "T_split_1"]),
    "concatenate": (lambda: topi.concatenate(tensors((4, 6), (4, 2)), 1), ["T_concat"]),
    "cumsum": (lambda: topi.cumsum(*tensors((4, 5)), 1), ["cumsum_generic"]),
    "sort": (lambda: topi.sort(*tensors((4, 5))), ["sort_cpu"]),
    "argsort": (lambda: topi.argsort(*tensors((4, 5))), ["argsort_cpu"]),
    "topk": (lambda: topi.topk(*tensors((4, 5)), 2), ["topk_cpu"]),
    "matmul": (lambda: topi.matmul(*tensors((4, 5), (5, 6))), ["T_matmul"]),
    "nn.matmul": (lambda: topi.nn.matmul(*tensors((4, 5), (5, 6))), ["T_matmul_NN"]),
    "dense": (lambda: topi.nn.dense(*tensors((4, 5), (6, 5))), ["T_matmul_NT"]),
    "batch_matmul": (
        lambda: topi.nn.batch_matmul(*tensors((2, 4, 5), (2, 6, 5))), ["T_batch_matmul_NT"],
    ),
    "softmax": (
        lambda: topi.nn.softmax(*tensors((4, 5))),
        ["T_softmax_maxelem", "T_softmax_exp", "T_softmax_expsum", "T_softmax_norm"],
    ),
    "log_softmax": (
        lambda: topi.nn.log_softmax(*tensors((4, 5))),
        ["T_softmax_maxelem", "compute", "compute_1"],
    ),
    "conv1d_ncw": (
        convolution("conv1d_ncw", (1, 2, 8), (4, 2, 3), 1, 1, 1), ["pad_temp", "conv1d_ncw"],
    ),
    "conv2d_nchw": (
        convolution("conv2d_nchw", (1, 2, 8, 8), (4, 2, 3, 3), 1, 1, 1),
        ["pad_temp", "conv2d_nchw"],
    ),
    "conv2d_nhwc": (
        convolution("conv2d_nhwc", (1, 8, 8, 2), (3, 3, 2, 4), 1, 1, 1),
        ["pad_temp", "conv2d_nhwc"],
    ),
    "group_conv2d_nchw": (
        convolution("group_conv2d_nchw", (1, 4, 8, 8), (4, 2, 3, 3), 1, 1, 1, 2),
        ["pad_temp", "group_conv2d_nchw"],
    ),
    "conv3d_ncdhw": (
        convolution("conv3d_ncdhw", (1, 2, 5, 5, 5), (4, 2, 3, 3, 3), 1, 1, 1, 1),
        ["pad_temp", "conv3d_ncdhw"],
    ),
    "pool2d": (
        lambda: topi.nn.pool2d(
            *tensors((1, 2, 8, 8)), [2, 2], [2, 2], [1, 1], [0, 0, 0, 0], "max"
        ),
        ["pool_max"],
    ),
    "resize2d": (
        lambda: topi.image.resize2d(
            *tensors((1, 2, 4, 4)), [0.0] * 4, [8, 8], method="nearest_neighbor",
            coordinate_transformation_mode="asymmetric",
        ),
        ["resize"],
    ),
}  # fmt: skip


def blocks(result: Any) -> list[str]:
    outputs = list(result) if isinstance(result, (list, tuple)) else [result]
    inputs: dict[int, te.Tensor] = {}
    pending = list(outputs)
    while pending:
        tensor = pending.pop()
        if tensor.op.input_tensors:
            pending += tensor.op.input_tensors
        else:
            inputs[id(tensor.op)] = tensor
    given = sorted(inputs.values(), key=lambda tensor: tensor.name)
    found: list[str] = []
    tir.stmt_functor.post_order_visit(
        te.create_prim_func([*given, *outputs]).body,
        lambda n: found.append(n.name_hint) if isinstance(n, tir.Block) else None,
    )
    return [name for name in found if name != "root"]


@pytest.mark.parametrize("name", OPERATORS)
def test_blocks_are_called_as_in_tvm(name: str) -> None:
    operator, names = OPERATORS[name]
    assert blocks(operator()) == names
