"""Arguments that scripts give by name are called what TVM calls them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tilewright import te, tir, topi

NAMES: list[tuple[Any, str]] = [
    (topi.nn.conv1d_ncw, "data kernel strides padding dilation out_dtype"),
    (topi.nn.group_conv1d_nwc, "data kernel strides padding dilation groups out_dtype"),
    (topi.nn.conv2d, "input filter strides padding dilation data_layout kernel_layout out_dtype"),
    (topi.nn.conv2d_nhwc, "Input Filter stride padding dilation out_dtype"),
    (topi.nn.conv1d_transpose_ncw, "data kernel stride padding out_dtype output_padding"),
    (topi.gpu.argsort, "data axis is_ascend dtype ret_type"),
    (topi.nn.flatten, "data"),
    (topi.logical_not, "data"),
    (topi.bitwise_not, "data"),
    (topi.utils.get_const_int, "expr"),
    (topi.utils.get_const_tuple, "in_tuple"),
    (topi.utils.equal_const_int, "expr value"),
    (te.power, "x y span"),
    (te.fmod, "x y span"),
    (te.truncdiv, "a b span"),
    (te.truncmod, "a b span"),
    (te.max_value, "dtype span"),
    (tir.ceildiv, "lhs rhs span"),
    (tir.const, "value dtype span"),
    (tir.reinterpret, "dtype value span"),
    (tir.Var.astype, "self dtype span"),
    (tir.PrimFunc.with_attr, "self attr_key_or_dict attr_value"),
    (tir.PrimFunc.with_body, "self new_body span"),
    (tir.analysis.estimate_tir_flops, "stmt_or_mod"),
]


@pytest.mark.parametrize(("function", "names"), NAMES, ids=lambda v: getattr(v, "__name__", ""))
def test_argument_names(function: Any, names: str) -> None:
    assert list(inspect.signature(function).parameters) == names.split()


def test_channels_last_convolutions_give_float32_unless_told() -> None:
    data, kernel = te.placeholder((1, 4, 4, 2), "float16"), te.placeholder((3, 3, 2, 5), "float16")
    assert topi.nn.conv2d_nhwc(data, kernel, 1, 0, 1).dtype == "float32"
    assert topi.nn.conv2d_nhwc(data, kernel, 1, 0, 1, out_dtype="float16").dtype == "float16"
