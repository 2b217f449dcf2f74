"""The C text: names, memory, vectors, calls, errors."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.codegen.c.codegen import emit_source
from tilewright.codegen.c.emitter import INTRINSICS
from tilewright.codegen.c.names import Names, function_name
from tilewright.codegen.llvm.emitter import INTRINSICS as LLVM_INTRINSICS
from tilewright.script import tir as T
from tilewright.support.errors import CompileError
from tilewright.tir import pipeline

from .native import Compiled, needs_compiler


@T.prim_func
def scale(A: T.Buffer((4,), "float32"), B: T.Buffer((4,), "float32")) -> None:
    for i in range(4):
        B[i] = A[i] * T.float32(1.5)


def test_a_loop_reads_like_one_written_by_hand() -> None:
    text = emit_source({"scale": pipeline.lower(scale, packed=False)["scale"]})
    assert text[text.rindex("TW_EXPORT") :] == (
        "TW_EXPORT void scale(float *restrict A, float *restrict B) {\n"
        "  for (int32_t i = 0; i < 4; ++i) {\n"
        "    B[i] = (A[i] * 1.5f);\n"
        "  }\n"
        "}\n"
    )


def test_every_intrinsic_of_the_llvm_back_end_is_known_but_llvms_own() -> None:
    llvm_only = {"tir.call_llvm_intrin", "tir.call_llvm_pure_intrin"}
    assert set(LLVM_INTRINSICS) - set(INTRINSICS) == llvm_only


@pytest.mark.parametrize("name", ["exp", "main", "while", "a.b", "tw_x", "größe", "lane"])
def test_a_function_never_takes_a_name_of_c(name: str) -> None:
    made = function_name(name)
    assert made.isascii() and made.isidentifier() and made != name
    assert made == function_name(name)


def test_variables_have_names_of_their_own() -> None:
    names = Names()
    made = [names.new(n) for n in ("a", "a", "a.b", "int", "lane", "expf", "3d", "é")]
    assert len(set(made)) == len(made)
    assert all(n.isascii() and n.isidentifier() for n in made)
    assert not {"int", "lane", "expf"} & set(made)


def test_a_public_function_needs_a_name_that_c_has() -> None:
    func = scale.with_attr("global_symbol", "a.b")
    with pytest.raises(CompileError, match="has a name that C does not allow"):
        emit_source({v.name_hint: f for v, f in pipeline.lower(func).items()})


def test_an_unknown_intrinsic_is_named() -> None:
    @T.prim_func
    def strange() -> None:
        T.evaluate(T.call_llvm_intrin("int32", "llvm.ctpop", 3))

    with pytest.raises(CompileError, match=r"the C back end does not know tir\.call_llvm_intrin"):
        emit_source({"strange": strange})


@needs_compiler
def test_lanes_are_read_before_any_is_written() -> None:
    @T.prim_func
    def move(A: T.Buffer((9,), "int32")) -> None:
        A[T.Ramp(1, 1, 8)] = A[T.Ramp(0, 1, 8)]

    a = np.arange(9, dtype="int32")
    Compiled({"move": pipeline.lower(move, packed=False)["move"]}).call("move", a)
    assert a.tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7]


@needs_compiler
def test_only_the_arm_that_is_taken_runs() -> None:
    @T.prim_func
    def guarded(A: T.Buffer((4,), "int32"), B: T.Buffer((8,), "int32")) -> None:
        for i in range(8):
            B[i] = T.if_then_else(i < 4, A[i], -1)

    a, b = np.arange(4, dtype="int32"), np.zeros(8, "int32")
    Compiled({"guarded": pipeline.lower(guarded, packed=False)["guarded"]}).call("guarded", a, b)
    assert b.tolist() == [0, 1, 2, 3, -1, -1, -1, -1]


@needs_compiler
def test_memory_seen_as_another_type_keeps_its_bits() -> None:
    @T.prim_func
    def bits(a: T.handle, b: T.handle) -> None:
        A = T.match_buffer(a, (4,), "float32")
        B = T.match_buffer(b, (4,), "int32")
        whole = T.decl_buffer((4,), "int32", data=A.data)
        for i in range(4):
            B[i] = whole[i]

    a, b = np.array([1, -2, 0.5, np.inf], "float32"), np.zeros(4, "int32")
    Compiled({"bits": pipeline.lower(bits, packed=False)["bits"]}).call("bits", a, b)
    np.testing.assert_array_equal(b, a.view("int32"))


@needs_compiler
def test_a_vector_of_as_many_lanes_as_there_are_is_a_loop() -> None:
    @T.prim_func
    def fill(A: T.Buffer((8,), "int32")) -> None:
        for i in range(T.ceildiv(8, 4 * T.vscale())):
            A[T.Ramp(i * 4 * T.vscale(), 1, T.vscale() * 4)] = T.Ramp(i, 2, T.vscale() * 4)

    a = np.zeros(8, "int32")
    Compiled({"fill": pipeline.lower(fill, packed=False)["fill"]}).call("fill", a)
    assert a.tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
