"""Each declared operator over its samples: inference agrees with the reference."""

from typing import Any

import numpy as np
import pytest

from tilewright import relax, tir
from tilewright.relax.interpreter import run
from tilewright.relax.op import DECLARATIONS, Declaration
from tilewright.support.dtypes import dtype_name


def as_input(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return relax.const(value)
    if isinstance(value, tuple) and any(isinstance(v, np.ndarray) for v in value):
        return relax.Tuple(tuple(relax.const(v) for v in value))
    return value


def flat(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def infos(info: Any) -> list[Any]:
    return list(info.items) if isinstance(info, relax.TupleStructInfo) else [info]


SAMPLED = [d for d in DECLARATIONS.values() if d.samples is not None and d.reference is not None]


@pytest.mark.parametrize("declared", SAMPLED, ids=lambda d: d.name)
def test_inference_agrees_with_the_reference(declared: Declaration) -> None:
    for sample in declared.samples():
        call = declared.make(*[as_input(a) for a in sample.args], **sample.attrs)
        got = declared.evaluate(call, list(sample.args))
        for array, info in zip(flat(got), infos(call.struct_info), strict=True):
            assert info.dtype == dtype_name(np.asarray(array).dtype)
            assert info.ndim == np.ndim(array)
            if info.static_shape is not None:
                assert info.static_shape == np.shape(array)


def test_every_declaration_is_documented_and_named() -> None:
    for declared in DECLARATIONS.values():
        assert declared.doc.strip(), declared.name
        assert declared.name.startswith("relax.")


def lowered_result(declared: Declaration, sample: Any) -> list[Any]:
    """What the operator is legalized to, run by the interpreter."""
    params: list[relax.Var] = []
    values: list[Any] = []

    def parameter(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            info = relax.TensorStructInfo(value.shape, dtype_name(value.dtype))
            params.append(relax.Var(f"p{len(params)}", info))
            values.append(value)
            return params[-1]
        if isinstance(value, tuple) and any(isinstance(v, np.ndarray) for v in value):
            return relax.Tuple(tuple(parameter(v) for v in value))
        return value

    call = declared.make(*[parameter(a) for a in sample.args], **sample.attrs)
    bb = relax.BlockBuilder()
    with bb.function("main", params):
        bb.emit_func_output(bb.emit(call))
    legal = relax.transform.LegalizeOps()(bb.get())
    kernels = any(isinstance(f, tir.PrimFunc) for _, f in legal.items())
    assert kernels or declared.lower is None, "nothing was lowered"
    assert declared.name not in str(legal["main"]), "the operator is still there"
    return flat(run(legal, *values))


LOWERED = [
    d
    for d in SAMPLED
    if (d.lower or d.decompose or d.packed) and not d.name.startswith("relax.ccl.")
]


def tolerance(declared: Declaration, dtype: str) -> float:
    if declared.tolerance is not None:
        return declared.tolerance
    return {"float64": 1e-9, "float32": 1e-5, "float16": 4e-3, "bfloat16": 2e-2}.get(dtype, 0)


@pytest.mark.parametrize("declared", LOWERED, ids=lambda d: d.name)
def test_the_loop_program_agrees_with_the_reference(declared: Declaration) -> None:
    for sample in declared.samples():
        call = declared.make(*[as_input(a) for a in sample.args], **sample.attrs)
        expected = flat(declared.evaluate(call, list(sample.args)))
        got = lowered_result(declared, sample)
        for a, b in zip(got, expected, strict=True):
            assert a.shape == b.shape
            assert dtype_name(a.dtype) == dtype_name(np.asarray(b).dtype)
            limit = tolerance(declared, dtype_name(a.dtype))
            wide = np.asarray(b, "float64")
            top = np.abs(wide[np.isfinite(wide)]).max(initial=1e-30)
            np.testing.assert_allclose(
                a.astype("float64"), wide, rtol=0, atol=limit * top, err_msg=f"{sample}"
            )
