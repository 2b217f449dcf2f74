"""Every data type, constant, intrinsic and operator prints and parses to the same program."""

import inspect
import math
from typing import Any

import numpy as np
import pytest

from tilewright import relax, tir
from tilewright.ir.structural import assert_structural_equal
from tilewright.relax.op import DECLARATIONS, Declaration
from tilewright.script import from_source
from tilewright.support.dtypes import dtype_name, dtype_of

ELEMENTS = (
    "bool", "int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
    "uint64", "float16", "float32", "float64", "bfloat16", "float4_e2m1fn", "float6_e2m3fn",
    "float6_e3m2fn", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn",
    "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip
LIMITS = [
    ("int32", -(2**31)), ("int64", -(2**63)), ("int64", 2**63 - 1), ("uint32", 2**32 - 1),
    ("uint64", 2**64 - 1), ("int8", -1),
]  # fmt: skip
FLOATS = ("float16", "float32", "float64", "bfloat16", "float8_e5m2")


def comes_back(program: Any) -> None:
    text = program.script(show_meta=True)
    again = from_source(text, check_well_formed=False)
    assert_structural_equal(program, again, map_free_vars=True)
    assert again.script(show_meta=True) == text


def evaluated(value: Any, *params: tir.Var) -> tir.PrimFunc:
    return tir.PrimFunc(params, tir.Evaluate(value))


@pytest.mark.parametrize("lanes", ["", "x4", "xvscalex4"])
@pytest.mark.parametrize("element", ELEMENTS)
def test_variables_of_every_type(element: str, lanes: str) -> None:
    x, y = tir.Var("x", element + lanes), tir.Var("y", element + lanes)
    comes_back(tir.PrimFunc([x], tir.LetStmt(y, x, tir.Evaluate(y))))


@pytest.mark.parametrize("element", ELEMENTS)
def test_conversions_vectors_and_buffers_of_every_type(element: str) -> None:
    x, y, handle = tir.Var("x", element), tir.Var("y", "float32"), tir.Var("A", "handle")
    comes_back(evaluated(tir.Cast(element, y), y))
    comes_back(evaluated(tir.Broadcast(x, 4), x))
    comes_back(evaluated(tir.const(1, element)))
    a = tir.decl_buffer((4,), element, "A")
    store = tir.BufferStore(a, tir.BufferLoad(a, [0]), [1])
    comes_back(tir.PrimFunc([handle], store, buffer_map={handle: a}))


@pytest.mark.parametrize("element", [e for e in ELEMENTS if dtype_of(e).bits >= 8])
def test_tensors_and_their_constants_of_every_type(element: str) -> None:
    bb = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorStructInfo((2, 3), element))
    with bb.function("main", [x]):
        value = relax.const(np.ones((2, 3), dtype_of(element).numpy), element)
        bb.emit_func_output(relax.Tuple((x, value)))
    comes_back(bb.get())


@pytest.mark.parametrize(("dtype", "value"), LIMITS)
def test_integers_at_the_ends(dtype: str, value: int) -> None:
    comes_back(evaluated(tir.const(value, dtype)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, -0.0, 1e-45, 0.1])
def test_floats_at_the_ends(dtype: str, value: float) -> None:
    comes_back(evaluated(tir.const(value, dtype)))


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_largest_and_smallest_floats(dtype: str) -> None:
    comes_back(evaluated(tir.max_value(dtype)))
    comes_back(evaluated(tir.min_value(dtype)))


def test_the_sign_of_zero_is_kept() -> None:
    again = from_source(evaluated(tir.const(-0.0, "bfloat16")).script())
    assert math.copysign(1, again.body.value.value) == -1


SAMPLED = [d for d in DECLARATIONS.values() if d.samples is not None]


@pytest.mark.parametrize("declared", SAMPLED, ids=lambda d: d.name)
def test_every_operator_of_graphs(declared: Declaration) -> None:
    assert declared.samples is not None
    for sample in declared.samples()[:3]:
        params: list[relax.Var] = []

        def given(value: Any, params: list[relax.Var] = params) -> Any:
            if isinstance(value, np.ndarray):
                info = relax.TensorStructInfo(value.shape, dtype_name(value.dtype))
                params.append(relax.Var(f"p{len(params)}", info))
                return params[-1]
            if isinstance(value, tuple) and any(isinstance(v, np.ndarray) for v in value):
                return relax.Tuple(tuple(given(v) for v in value))
            return value

        call = declared.make(*[given(a) for a in sample.args], **sample.attrs)
        bb = relax.BlockBuilder()
        with bb.function("main", params):
            bb.emit_func_output(bb.emit(call))
        comes_back(bb.get())


def intrinsics() -> list[str]:
    """The intrinsics that take nothing but scalars."""
    found = []
    for name, made in inspect.getmembers(tir.op, inspect.isfunction):
        if name.startswith("_") or name == "const_value":
            continue
        names = [p.name for p in inspect.signature(made).parameters.values() if p.name != "span"]
        if names and set(names) <= {
            "x",
            "y",
            "a",
            "b",
            "cond",
            "value",
            "true_value",
            "false_value",
        }:
            found.append(name)
    return found


def parameters_of(name: str, dtype: str) -> list[tir.Var]:
    names = [p for p in inspect.signature(getattr(tir.op, name)).parameters if p != "span"]
    return [tir.Var(n, dtype) for n in "uvwxyz"[: len(names)]]


def takes(name: str, dtype: str) -> bool:
    try:
        getattr(tir.op, name)(*parameters_of(name, dtype))
    except ValueError:
        return False
    return True


TYPES_TRIED = ("float32", "int32", "bool")


@pytest.mark.parametrize(
    ("name", "dtype"), [(n, d) for n in intrinsics() for d in TYPES_TRIED if takes(n, d)]
)
def test_every_intrinsic_of_scalars(name: str, dtype: str) -> None:
    params = parameters_of(name, dtype)
    comes_back(evaluated(getattr(tir.op, name)(*params), *params))


@pytest.mark.parametrize("name", intrinsics())
def test_every_intrinsic_takes_some_type(name: str) -> None:
    assert any(takes(name, dtype) for dtype in TYPES_TRIED)
