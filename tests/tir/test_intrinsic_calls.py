"""What calls of intrinsics are made of: the operator, the type of the result, the arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tilewright import te, tir
from tilewright.ir import Op
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.script import tir as T
from tilewright.support.errors import ArgumentError
from tilewright.tir import CallEffectKind, interpreter

h, g = tir.Var("h", "handle"), tir.Var("g", "handle")
i, x = tir.Var("i", "int32"), tir.Var("x", "float16x4")
c = tir.Var("c", "bool")
MMA = ("m16n8k16", "row", "col", "fp16", "fp16", "fp32", h, 0, g, 1, h, 2)
MMA_TEXT = "'m16n8k16' 'row' 'col' 'fp16' 'fp16' 'fp32' h 0 g 1 h 2"
MATRICES = (h, 0, g, 1, h, 2, g, 3)

CALLS: dict[str, tuple[tuple[Any, ...], str, str]] = {
    "anylist_getitem": ((h, 1), "handle", "h 1"),
    "anylist_resetitem": ((h, 1), "int32", "h 1"),
    "anylist_setitem_call_packed": ((h, 1, "f", i, 2), "int32", "h 1 'f' i 2"),
    "anylist_setitem_call_cpacked": ((h, 1, "f", i, 2), "int32", "h 1 'f' i 2"),
    "lookup_param": (("p0",), "handle", "'p0'"),
    "tvm_thread_invariant": ((c,), "bool", "c"),
    "tvm_warp_shuffle_up": ((i, x, 1, 32, 32), "float16x4", "i x 1 32 32"),
    "dp4a": ((i, 3), "int32", "i 3 0"),
    "make_filled_simdgroup_matrix": ((h, 0, 1.0), "handle", "h 0 T.float32(1.0) 8 8"),
    "simdgroup_load": ((h, 0, g, 16), "handle", "h 0 g 16 8 8 T.bool(False)"),
    "simdgroup_store": ((h, 0, g, 16, 4, 2, True), "handle", "h 0 g 16 4 2 T.bool(True)"),
    "simdgroup_multiply_accumulate": (MATRICES, "handle", "h 0 g 1 h 2 g 3"),
    "tvm_bmma_sync": (MATRICES, "handle", "h 0 g 1 h 2 g 3"),
    "ptx_mma_sp": (("float32", *MMA, i, 0, 1, False), "float32",
                   f"{MMA_TEXT} i 0 1 T.bool(False)"),
    "ptx_cp_async_bulk": (("float16", h, 0, g, 1, 16, 2), "float16", "h 0 g 1 16 2"),
    "ptx_commit_group": ((), "void", ""),
    "ptx_wait_group": ((1,), "void", "1"),
    "ptx_cp_async_barrier": ((0,), "void", "0"),
    "ptx_init_barrier_thread_count": ((0, 64), "void", "0 64"),
    "ptx_arrive_barrier": ((0,), "void", "0"),
    "ptx_arrive_barrier_expect_tx": ((0, 128), "void", "0 128"),
    "ptx_wait_barrier": ((0,), "void", "0"),
    "create_barriers": ((4,), "void", "4"),
    "thread_return": ((), "void", ""),
    "break_loop": ((), "void", ""),
    "continue_loop": ((), "void", ""),
}  # fmt: skip
"""By name: the arguments given, the type of the result, and the call's arguments."""


def shown(arg: Any) -> str:
    return repr(arg.value) if isinstance(arg, tir.StringImm) else str(arg)


def round_trip(call: Any) -> str:
    """The text of the call, which reads back as the same."""
    func = tir.PrimFunc((h, g, i, x, c), tir.Evaluate(call), attrs={"global_symbol": "main"})
    text = func.script()
    assert_structural_equal(from_source(text), func)
    return text


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str) -> None:
    given, dtype, args = CALLS[name]
    call: Any = getattr(tir, name)(*given)
    assert isinstance(call, tir.Call) and call.dtype == dtype
    assert call.op is Op.get(f"tir.{name}")
    assert " ".join(map(shown, call.args)) == args
    round_trip(call)
    assert_structural_equal(getattr(T, name)(*given), call)


PACKED = {
    "call_cpacked": "tvm_call_cpacked", "tvm_call_cpacked": "tvm_call_cpacked",
    "call_packed": "tvm_call_packed", "tvm_call_packed": "tvm_call_packed",
    "call_cpacked_lowered": "tvm_call_cpacked_lowered",
    "tvm_call_cpacked_lowered": "tvm_call_cpacked_lowered",
    "call_packed_lowered": "tvm_call_packed_lowered",
    "tvm_call_packed_lowered": "tvm_call_packed_lowered",
}  # fmt: skip


@pytest.mark.parametrize("name", PACKED)
def test_packed_calls(name: str) -> None:
    call: Any = getattr(tir, name)("fn", i, 2.5, h)
    assert call.dtype == "int32" and call.op is Op.get(f"tir.{PACKED[name]}")
    assert [shown(a) for a in call.args] == ["'fn'", "i", "T.float32(2.5)", "h"]
    head = name.removeprefix("tvm_")
    assert f'T.{head}("fn", i, T.float32(2.5), h)' in round_trip(call)


def test_a_checked_call() -> None:
    inner = tir.call_extern("int32", "f", i)
    call: Any = tir.tvm_check_return(0, -1, inner)
    assert call.dtype == "int32" and call.op is Op.get("tir.tvm_check_return")
    assert [shown(a) for a in call.args[:2]] == ["0", "-1"] and call.args[2] is inner
    assert 'T.tvm_check_return(0, -1, T.call_extern("int32", "f", i))' in round_trip(call)


@pytest.mark.parametrize(
    ("name", "effect"),
    [("dp4a", CallEffectKind.Pure), ("tvm_thread_invariant", CallEffectKind.Pure),
     ("anylist_getitem", CallEffectKind.ReadState),
     ("tvm_check_return", CallEffectKind.UpdateState),
     ("tvm_warp_shuffle_up", CallEffectKind.UpdateState),
     ("thread_return", CallEffectKind.ControlJump), ("assume", CallEffectKind.EmbedInfo),
     ("tvm_access_ptr", CallEffectKind.SpecialCallArg)],
)  # fmt: skip
def test_effects(name: str, effect: CallEffectKind) -> None:
    assert Op.get(f"tir.{name}").get_attr("effect") == effect


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
@pytest.mark.parametrize("make", [tir.infinity, te.infinity, T.infinity])
def test_infinity(make: Any, dtype: str) -> None:
    made = make(dtype)
    assert isinstance(made, tir.FloatImm) and made.dtype == dtype and made.value == math.inf
    assert f'T.{dtype}("inf")' in round_trip(made)


def test_integers_have_no_infinity() -> None:
    with pytest.raises(ArgumentError, match="inf is no number that int32 holds"):
        tir.infinity("int32")


def test_addresses_of_buffers() -> None:
    n = tir.Var("n", "int32")
    buffer = tir.decl_buffer((n, 8), "float16", name="A", elem_offset=4)
    call: Any = buffer.access_ptr("r", offset=16, content_lanes=2)
    marker, data, start, extent, mask = call.args
    assert call.dtype == "handle" and call.op is Op.get("tir.tvm_access_ptr")
    assert marker.op is Op.get("tir.type_annotation") and marker.dtype == "float16x2"
    assert data is buffer.data
    assert [str(a) for a in (start, extent, mask)] == ["10", "(n * 8 - 16) // 2", "1"]
    whole: Any = buffer.access_ptr("wr", extent=3)
    assert [str(a) for a in whole.args[2:]] == ["4", "3", "3"]


def test_addresses_of_vectors_are_those_of_their_elements() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((16,), "int32"), B: T.Buffer((4,), "int32")):
    for i in range(4):
        B[i] = T.call_extern("int32", "first", A.access_ptr("r", content_lanes=4, offset=i * 4))
"""
    out = np.zeros(4, "int32")
    first = {"first": lambda pointer: pointer.memory.view("int32")[pointer.offset // 4]}
    interpreter.run(from_source(text), np.arange(16, dtype="int32"), out, externs=first)
    np.testing.assert_array_equal(out, [0, 4, 8, 12])
