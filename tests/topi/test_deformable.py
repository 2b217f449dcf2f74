import numpy as np
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from tests.topi.evaluator import check
from tilewright import topi

rng = np.random.default_rng(12)


def onnx_run(op, opset, inputs, **attributes):
    """One operator, run by ONNX's reference."""
    names = [f"x{k}" for k in range(len(inputs))]
    node = helper.make_node(op, names, ["y"], **attributes)
    infos = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), None)
        for n, x in zip(names, inputs, strict=True)
    ]
    out = helper.make_tensor_value_info("y", 1, None)
    graph = helper.make_graph([node], "g", infos, [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    return ReferenceEvaluator(model).run(None, dict(zip(names, inputs, strict=True)))[0]


def floats(*shape):
    return rng.standard_normal(shape).astype("float32")


@pytest.mark.parametrize("groups, offsets, masked", [(1, 1, False), (2, 1, True), (1, 2, True)])
def test_deformable_conv(groups, offsets, masked):
    x, w = floats(1, 4, 5, 6), floats(2, 4 // groups, 3, 2)
    moved, bias = floats(1, offsets * 12, 3, 6), np.zeros(2, "float32")
    factors = rng.random((1, offsets * 6, 3, 6)).astype("float32")
    inputs = [x, w, moved, bias, *([factors] if masked else [])]
    expected = onnx_run(
        "DeformConv", 19, inputs, group=groups, offset_group=offsets, kernel_shape=[3, 2],
        strides=[2, 1], pads=[1, 1, 1, 0], dilations=[1, 1],
    )  # fmt: skip

    def run(a, b, c, *d):
        return topi.nn.deformable_conv2d_nchw(
            a, c, b, (2, 1), (1, 1, 1, 0), 1, offsets, groups, None, *d
        )

    given = [x, w, moved, *([factors] if masked else [])]
    check(run, lambda *_: expected.astype("float32"), *given, rtol=1e-3, atol=1e-4,
          shapes=("static",))  # fmt: skip


@pytest.mark.parametrize("strides, pads, dilations", [
    ([1, 1], [0, 0, 0, 0], [1, 1]), ([2, 1], [0, 1, 0, 1], [1, 1]), ([1, 2], [1, 1, 1, 1], [1, 2]),
])  # fmt: skip
def test_col2im(strides, pads, dilations):
    image, block = np.array([5, 6]), np.array([2, 3])
    counts = [
        (i + pads[k] + pads[k + 2] - d * (b - 1) - 1) // s + 1
        for k, (i, b, s, d) in enumerate(zip(image, block, strides, dilations, strict=True))
    ]
    x = floats(2, 12, counts[0] * counts[1])
    expected = onnx_run(
        "Col2Im", 18, [x, image, block], strides=strides, pads=pads, dilations=dilations
    )
    check(lambda t: topi.nn.col2im(t, (5, 6), (2, 3), strides, pads, dilations),
          lambda v: expected.astype("float32"), x, rtol=1e-5)  # fmt: skip
