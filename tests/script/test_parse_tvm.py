"""Spellings of TVM's script: macros, targets of loops, types that stand first or by name."""

from typing import Any

import numpy as np
import pytest

from tilewright import tir
from tilewright.ir import PrimType
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.script.parser import ir_module as ir_module
from tilewright.script.parser import tir as T
from tilewright.script.parser.core.diagnostics import Source
from tilewright.script.parser.core.doc_core import FunctionDef, With
from tilewright.script.parser.core.evaluator import ExprEvaluator
from tilewright.support.errors import ArgumentError, DiagnosticError

DIMS = (128, 128)


def test_buffers_and_pointers_outside_of_functions() -> None:
    made = T.Buffer((64, 64), "int32")
    assert isinstance(made, tir.Buffer) and (list(made.shape), made.dtype) == ([64, 64], "int32")
    pointer = T.handle("int32", "shared").type_annotation
    assert pointer.element_type == PrimType("int32") and pointer.storage_scope == "shared"
    assert T.ptr("int32", "shared").type_annotation == pointer
    assert T.void().dtype == "void" and isinstance(T.void(), tir.Var)
    assert {PrimType("int8"): 1}[PrimType("int8")] == 1 and PrimType("int8") != PrimType("int16")


def test_a_buffer_type_may_serve_two_parameters() -> None:
    row = T.Buffer((4,), "float32")

    @T.prim_func
    def copy(A: row, B: row):
        B[0] = A[0]

    a, b = copy.buffer_map.values()
    assert a is not b and a.data is not b.data and (a.name, b.name) == ("A", "B")
    assert copy.__name__ == "copy"


def test_macros_take_arguments_as_python_functions_do() -> None:
    @T.macro
    def assign(i, *rest, source, scale=2, **more):
        more["target"][i, rest[0]] = source[i, rest[0]] * T.float32(scale)

    @T.prim_func(private=True)
    def called(A: T.Buffer((8, 8)), B: T.Buffer((8, 8))):
        for i, j in T.grid(8, 8):
            assign(i, j, source=A, target=B)

    @T.prim_func(private=True)
    def written(A: T.Buffer((8, 8)), B: T.Buffer((8, 8))):
        for i, j in T.grid(8, 8):
            B[i, j] = A[i, j] * T.float32(2)

    assert_structural_equal(called, written)
    with pytest.raises(ArgumentError, match="a macro is made of a function, found True"):
        T.macro(True)


def test_macros_of_objects_see_buffers_of_the_function() -> None:
    class Stage:
        def __init__(self, x: tir.Buffer) -> None:
            self.local = T.alloc_buffer(x.shape, x.dtype)

        @T.macro
        def load(self, x: T.Buffer):
            n, m = T.meta_var(self.local.shape)
            for i, j in T.grid(n, m):
                self.local[i, j] = x[i, j]

    @T.prim_func(private=True)
    def with_objects(a: T.handle):
        A = T.match_buffer(a, [8, 8])
        stage = T.meta_var(Stage(A))
        stage.load(A)

    @T.prim_func(private=True)
    def written(a: T.handle):
        A = T.match_buffer(a, [8, 8])
        local = T.alloc_buffer([8, 8])
        for i, j in T.grid(8, 8):
            local[i, j] = A[i, j]

    assert_structural_equal(with_objects, written)


def test_macros_see_the_names_of_their_definition_or_of_the_call() -> None:
    x = 128

    @T.macro(hygienic=True)
    def fixed(A, B):
        B[()] = A[x]

    @T.macro(hygienic=False)
    def open_(A, B):
        B[()] = A[x]

    @T.prim_func(private=True)
    def both(A: T.Buffer((1024,), "int32"), B: T.Buffer((), "int32")):
        for x in T.serial(10):  # noqa: B007
            fixed(A, B)
            open_(A, B)

    loop = both.body
    assert [str(s) for s in loop.body.seq] == ["B[()] = A[128]", "B[()] = A[x]"]


def test_stars_and_single_names_for_several_loops() -> None:
    @T.prim_func(private=True)
    def starred(a: T.handle, b: T.handle):
        A = T.match_buffer(a, [*DIMS, 4], "int32")
        B = T.match_buffer(b, DIMS, "int32")
        for *spatial, last in T.grid(*A.shape):
            B[spatial] = A[(*spatial, last)]
        for indices in T.grid(*A.shape):
            A[indices] = T.int32(len(A.shape))

    @T.prim_func(private=True)
    def written(a: T.handle, b: T.handle):
        A = T.match_buffer(a, [128, 128, 4], "int32")
        B = T.match_buffer(b, [128, 128], "int32")
        for i, j, k in T.grid(128, 128, 4):
            B[i, j] = A[i, j, k]
        for i, j, k in T.grid(128, 128, 4):
            A[i, j, k] = 3

    assert_structural_equal(starred, written)


def test_types_of_thread_indices() -> None:
    @T.prim_func(private=True)
    def func(A: T.Buffer((8,), "float32")):
        for i in T.thread_binding(T.int64(8), "threadIdx.x"):
            A[i] = T.float32(0)

    assert (func.body.loop_var.dtype, func.body.thread_binding.var.dtype) == ("int64", "int64")


def test_types_of_results_by_name() -> None:
    @T.prim_func(private=True)
    def named(A: T.Buffer((8,), "float16")):
        T.evaluate(T.exp(A[0], dtype="float16"))
        T.evaluate(T.call_extern("f", A.data, dtype="int32"))
        T.evaluate(T.reinterpret(A[0], dtype="int16"))
        T.evaluate(T.if_then_else(A[0] > 0.0, 1, 2, dtype="int32"))

    @T.prim_func(private=True)
    def placed(A: T.Buffer((8,), "float16")):
        T.evaluate(T.exp(A[0]))
        T.evaluate(T.call_extern("int32", "f", A.data))
        T.evaluate(T.reinterpret("int16", A[0]))
        T.evaluate(T.if_then_else(A[0] > 0.0, 1, 2))

    assert_structural_equal(named, placed)


def test_choices_and_stores_as_the_builder_writes_them() -> None:
    @T.prim_func(private=True)
    def func(A: T.Buffer((8,), "int32"), n: T.int32):
        with T.If(n > 0):
            with T.Then():
                T.buffer_store(A, 1, [0])
            with T.Else():
                T.buffer_store(A, 2, [0])
        with T.While(n > 0):
            T.evaluate(n)

    @T.prim_func(private=True)
    def plain(A: T.Buffer((8,), "int32"), n: T.int32):
        if n > 0:
            A[0] = 1
        else:
            A[0] = 2
        while n > 0:
            T.evaluate(n)

    assert_structural_equal(func, plain)


def test_sources_of_functions() -> None:
    def scale(a: int) -> None:
        with open(str(a)):
            pass

    source = Source(scale)
    assert source.source_name == __file__ and source.start_column == 4
    assert source.source.startswith("def scale(a: int)") and "test_sources" in source.full_source
    function = source.as_ast().body[0]
    assert isinstance(function, FunctionDef) and isinstance(function.body[0], With)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1 + a, a[1:]", None), ("f(1) * 2", 4), ("[x for x in (1, 2)]", [1, 2])],
)
def test_expressions_by_themselves(text: str, value: Any) -> None:
    names = {"a": np.arange(3), "f": lambda x: x + 1}
    found = ExprEvaluator.eval(None, names, Source(text).as_ast().body[0].value)  # type: ignore[attr-defined]
    if value is None:
        assert found[0].tolist() == [1, 2, 3] and found[1].tolist() == [1, 2]
    else:
        assert found == value


def test_every_type_of_the_namespace() -> None:
    for kind in ("int", "uint"):
        for bits in (8, 16, 32, 64):
            for lanes in ("", "x4", "x8", "x16", "x32", "x64"):
                name = f"{kind}{bits}{lanes}"
                assert getattr(T, name)().dtype == name
    for name in ("float8_e4m3fn", "float8_e5m2x4", "float16x8", "bfloat16", "float4_e2m1fnx2",
                 "float8_e3m4", "float6_e2m3fn", "boolean"):  # fmt: skip
        assert getattr(T, name)().dtype == {"boolean": "bool"}.get(name, name)


def test_every_dtype_comes_back() -> None:
    for dtype in ("float4_e2m1fn", "float6_e3m2fn", "float8_e4m3fnx8", "bfloat16x4", "boolx4"):
        x = tir.Var("x", dtype)
        func = tir.PrimFunc((x,), tir.Evaluate(x), attrs={"global_symbol": "main"})
        assert_structural_equal(from_source(func.script()), func)


def test_a_variable_made_by_python_is_named_and_not_computed() -> None:
    @T.prim_func(private=True)
    def made(a: T.handle):
        n = tir.Var("n", "int32")
        A = T.match_buffer(a, (n,))
        A[0] = T.float32(n)

    @T.prim_func(private=True)
    def declared(a: T.handle):
        n = T.int32()
        A = T.match_buffer(a, (n,))
        A[0] = T.float32(n)

    @T.prim_func(private=True)
    def renamed(n: T.int32, A: T.Buffer((4,))):
        m = n
        A[m] = T.float32(1)

    assert_structural_equal(made, declared)
    assert isinstance(renamed.body, tir.LetStmt)


def test_names_of_the_surroundings_may_be_declared() -> None:
    kind, size = "float16", 4

    @T.prim_func(private=True)
    def half(A: T.Buffer((4,), kind)):
        nonlocal kind, size
        A[size - 1] = T.Cast(kind, 1)

    assert half.buffers()[0].dtype == "float16" and "A[3] = " in half.script()
    with pytest.raises(DiagnosticError, match="`nowhere` is not defined"):
        from_source("@T.prim_func\ndef f():\n    nonlocal nowhere\n    T.evaluate(0)\n")
