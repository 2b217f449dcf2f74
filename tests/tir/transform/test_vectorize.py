"""Vectorized loops, and what becomes of conditions by lane."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilewright
from tilewright import tir
from tilewright.ir import IRModule
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.support.errors import CompileError
from tilewright.tir import interpreter
from tilewright.tir import transform as T

from .cases import applied, check, func_of, nodes, same_result

HEAD = """
@T.prim_func
def main(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32"), n: T.int32):
"""


def lines(text: str) -> str:
    return HEAD + "".join(f"    {line}\n" for line in text.strip().splitlines())


TAIL = lines("""
for i in range(4):
    for j in T.vectorized(4):
        if i * 4 + j < 14:
            B[i * 4 + j] = A[i * 4 + j] + T.float32(1)
""")
BY_LANE = TAIL.replace("T.vectorized(4)", "range(4)")
MASKED = lines("""
for i in range(4):
    B.vstore(
        [T.Ramp(i * 4, 1, 4)],
        A.vload([T.Ramp(i * 4, 1, 4)], predicate=MASK) + T.Broadcast(T.float32(1), 4),
        predicate=MASK,
    )
""")


@pytest.mark.parametrize(
    ("step", "config", "after"),
    [
        (T.VectorizeLoop(), {}, BY_LANE),
        (T.VectorizeLoop(), {"enable_buffer_level_predication": False}, BY_LANE),
        (T.VectorizeLoop(masks=True), {"enable_buffer_level_predication": False}, BY_LANE),
        (
            T.VectorizeLoop(), {"enable_buffer_level_predication": True},
            MASKED.replace("MASK", 'T.get_active_lane_mask("uint1x4", i * 4, 14)'),
        ),
        (
            T.VectorizeLoop(masks=True), {},
            MASKED.replace("MASK", "T.Ramp(i * 4, 1, 4) < T.Broadcast(14, 4)"),
        ),
    ],
)  # fmt: skip
def test_a_condition_by_lane(step: Any, config: dict[str, bool], after: str) -> None:
    check(step, TAIL, after, **config)


def test_only_what_stands_under_the_condition_runs_lane_after_lane() -> None:
    check(
        T.VectorizeLoop(),
        lines("""
for i in T.vectorized(4):
    A[i] = T.float32(0)
    if i < n:
        A[i] = B[i]
"""),
        lines("""
A[0:4:1] = T.Broadcast(T.float32(0), 4)
for s in range(4):
    if s < n:
        A[s] = B[s]
"""),
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A[i] = B[n]", "A[0:4:1] = T.Broadcast(B[n], 4)"),
        ("A[i * 2 + 1] = B[i]", "A[T.Ramp(1, 2, 4)] = B[0:4:1]"),
        ("A[i] = T.Cast('float32', i)", "A[0:4:1] = T.Cast('float32x4', T.Ramp(0, 1, 4))"),
        (
            "A[i] = T.if_then_else(n < 2, B[i], T.float32(2))",
            "A[0:4:1] = T.if_then_else(n < 2, B[0:4:1], T.Broadcast(T.float32(2), 4))",
        ),
        (
            "A[i] = T.Select(i < 2, B[i], T.float32(0))",
            "A[0:4:1] = T.Select(T.Ramp(0, 1, 4) < T.Broadcast(2, 4), B[0:4:1],"
            " T.Broadcast(T.float32(0), 4))",
        ),
        (
            "for j in range(2):\n        A[i * 2 + j] = T.exp(B[i])",
            "for j in range(2):\n    A[T.Ramp(j, 2, 4)] = T.exp(B[0:4:1])",
        ),
    ],
)
def test_expressions_become_vectors(before: str, after: str) -> None:
    check(T.VectorizeLoop(), lines(f"for i in T.vectorized(4):\n    {before}"), lines(after))


def test_the_result_stays() -> None:
    for step in (T.VectorizeLoop(), T.VectorizeLoop(masks=True)):
        same_result(step, TAIL.replace(", n: T.int32", ""), (64,), (64,))


@pytest.mark.parametrize("config", [{"disable_vectorize": True}, {}])
def test_loops_stay_where_they_are_to(config: dict[str, bool]) -> None:
    text = lines("for i in T.vectorized(4):\n    A[i] = B[i]")
    step = T.VectorizeLoop() if config else T.VectorizeLoop(enable_vectorize=False)
    check(step, text, text.replace("T.vectorized(4)", "range(4)"), **config)


def test_a_vector_that_does_not_move_under_a_condition_by_lane() -> None:
    func = from_source("""
@T.prim_func
def main(A: T.Buffer((6,), "float32"), B: T.Buffer((6,), "float32")):
    for i in T.vectorized(2):
        for j in T.vectorized(6):
            if i < 1:
                B[j] = A[j] + T.float32(1)
""")
    made = T.VectorizeLoop(masks=True)(IRModule({"main": func}))["main"]
    arrays = [np.arange(6, dtype="float32"), np.zeros(6, "float32")]
    interpreter.run(made, *arrays)
    np.testing.assert_array_equal(arrays[1], arrays[0] + 1)


def test_a_choice_by_lane_is_made_lane_after_lane() -> None:
    check(
        T.VectorizeLoop(),
        lines("""
for j in T.vectorized(4):
    A[j] = T.if_then_else(j > 1, B[j], T.float32(0))
    B[j] = T.float32(1)
"""),
        lines("""
for s in range(4):
    A[s] = T.if_then_else(s > 1, B[s], T.float32(0))
B[0:4] = T.Broadcast(T.float32(1), 4)
"""),
    )


@pytest.mark.parametrize(
    ("condition", "value"),
    [("i * 4 + j < 14", "A[i]"), ("14 < i * 4 + j", "A[i * 4 + j]")],
    ids=["one load for all lanes", "no count of lanes"],
)
def test_what_cannot_be_predicated_runs_lane_after_lane(condition: str, value: str) -> None:
    text = lines(f"""
for i in range(4):
    for j in T.vectorized(4):
        if {condition}:
            B[i * 4 + j] = {value}
""")
    config = {"enable_buffer_level_predication": True}
    check(T.VectorizeLoop(), text, text.replace("T.vectorized(4)", "range(4)"), **config)


SVE = '{"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mattr": ["+sve"]}'


def test_a_target_with_sve_predicates() -> None:
    mask = 'T.get_active_lane_mask("uint1x4", i * 4, 14)'
    scope = f'    with T.attr(T.target({SVE}), "target", 0):\n'

    def inside(text: str) -> str:
        body = text.removeprefix(HEAD)
        return HEAD + scope + "".join(f"    {line}\n" for line in body.strip("\n").splitlines())

    check(T.VectorizeLoop(), inside(TAIL), inside(MASKED.replace("MASK", mask)))


def test_operations_keep_their_kinds_as_vectors() -> None:
    check(
        T.VectorizeLoop(),
        lines("""
for j in T.vectorized(4):
    A[j] = T.FloorDiv(T.float32(3), B[j])
"""),
        lines("A[0:4] = T.FloorDiv(T.Broadcast(T.float32(3), 4), B[0:4])"),
    )


def test_memory_of_an_iteration_that_nothing_declares_is_multiplied() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((8,), "float32"), C: T.Buffer((8,), "float32")):
    for i in T.vectorized(8):
        data = T.allocate([1], "float32", "local")
        B = T.Buffer((1,), data=data, scope="local")
        B[0] = A[i] * T.float32(2)
        C[i] = B[0] + A[i]
"""
    made = same_result(T.VectorizeLoop(), text, (8,), (8,))
    (allocate,) = nodes(made, tir.Allocate)
    assert allocate.extents[0].value == 8 and not nodes(made, tir.For)


def test_intrinsics_of_llvm_that_it_has_for_vectors() -> None:
    text = """
@T.prim_func
def main(A: T.Buffer((8,), "float32"), B: T.Buffer((8,), "float32")):
    for i in T.vectorized(8):
        B[i] = T.call_llvm_pure_intrin("float32", "llvm.NAME", A[i])
"""
    made = str(applied(T.VectorizeLoop(), text.replace("NAME", "sqrt")))
    assert 'T.call_llvm_pure_intrin("float32x8", "llvm.sqrt", A[0:8])' in made
    assert "range(8)" in str(applied(T.VectorizeLoop(), text.replace("NAME", "powi")))
    run = tilewright.build(func_of(text.replace("NAME", "sqrt")), "llvm")
    given = np.arange(8, dtype="float32")
    result = np.zeros(8, "float32")
    run["main"](given, result)
    np.testing.assert_allclose(result, np.sqrt(given), rtol=1e-6)


@pytest.mark.parametrize(
    ("extent", "store", "said"),
    [
        ("T.vscale() * 4", "A[j * 4 : j * 4 + 4] = B[j * 4 : j * 4 + 4]", "int32x4"),
        (
            "4",
            "A[T.Ramp(j, 1, T.vscale() * 4)] = T.Broadcast(T.float32(0), T.vscale() * 4)",
            "float32xvscalex4",
        ),
    ],
)
def test_loops_that_have_no_vector_form_at_all_are_refused(
    extent: str, store: str, said: str
) -> None:
    text = lines(f"for j in T.vectorized({extent}):\n    {store}")
    with (
        tilewright.target.Target("llvm -mtriple=aarch64-linux-gnu -mattr=+sve"),
        pytest.raises(CompileError, match=said),
    ):
        applied(T.VectorizeLoop(), text)


def test_loops_of_unknown_length_run_lane_after_lane() -> None:
    text = """
@T.prim_func
def main(a: T.handle):
    n = T.int32()
    A = T.match_buffer(a, (n,))
    for i in T.vectorized(n):
        A[i] = A[i] + T.float32(1)
"""
    made = applied(T.VectorizeLoop(), text)
    assert [loop.kind for loop in nodes(made, tir.For)] == [tir.ForKind.SERIAL]


@pytest.mark.parametrize(("word", "kind"), [("and", tir.And), ("or", tir.Or)])
def test_joined_conditions_of_lanes_print_as_what_they_are(word: str, kind: type) -> None:
    text = f"""
@T.prim_func
def main(A: T.Buffer((8,), "int32"), B: T.Buffer((8,), "bool")):
    for i in T.vectorized(8):
        B[i] = A[i] > 3 {word} A[i] % 2 == 0
"""
    made = applied(T.VectorizeLoop(), text)
    assert isinstance(made.body.value, kind) and f"T.{kind.__name__}(" in str(made)
    assert_structural_equal(from_source(str(made)), made)


SOME = """
@T.prim_func
def main(A: T.Buffer((SIZE,), "DTYPE"), S: T.Buffer((1,), "DTYPE"), n: T.int32):
    for i in T.serial(16, annotations={"vector_reduce": 1}):
        if i < n:
            S[0] = COMBINE
"""


@pytest.mark.parametrize("combine", ["S[0] + A[i]", "T.max(S[0], A[i])", "T.min(A[i], S[0])"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint16", "int32"])
@pytest.mark.parametrize("size", [16, 11])
def test_a_sum_of_some_lanes_is_one_of_all(combine: str, dtype: str, size: int) -> None:
    """Where `size` is less than the lanes, what lies outside of the buffer is not read."""
    text = SOME.replace("SIZE", str(size)).replace("DTYPE", dtype).replace("COMBINE", combine)
    func = from_source(text)
    made = applied(T.VectorizeLoop(masks=True), text)
    assert "vector_reduce" in str(made) and "if " not in str(made)
    step = {"S": np.add, "T.max": np.maximum, "T.min": np.minimum}[
        combine.split("(")[0].split("[")[0]
    ]
    library = tilewright.build(func.with_attr("tir.is_scheduled", True), target="llvm")
    data = np.random.default_rng(3).integers(-9 if dtype[0] != "u" else 0, 9, size).astype(dtype)
    for n in (-1, 0, 1, 7, size):
        total = tilewright.nd.array(np.array([2], dtype))
        library["main"](tilewright.nd.array(data), total, n)
        want = step.reduce(data[: max(n, 0)], initial=data.dtype.type(2), dtype=dtype)
        np.testing.assert_array_equal(total.numpy(), [want])


def test_the_sum_of_no_lane_keeps_a_negative_zero_and_an_infinity() -> None:
    for combine, start in (("S[0] + A[i]", -0.0), ("T.max(S[0], A[i])", -np.inf)):
        text = SOME.replace("SIZE", "16").replace("DTYPE", "float32").replace("COMBINE", combine)
        func = from_source(text).with_attr("tir.is_scheduled", True)
        total = tilewright.nd.array(np.array([start], "float32"))
        data = tilewright.nd.array(np.ones(16, "float32"))
        tilewright.build(func, target="llvm")["main"](data, total, 0)
        assert total.numpy()[0] == start and np.signbit(total.numpy()[0])


@pytest.mark.parametrize(
    ("combine", "start"), [("T.max(S[0], A[i])", -np.inf), ("T.min(S[0], A[i])", np.inf)]
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_extreme_of_lanes_is_nan_if_one_of_them_is(
    combine: str, start: float, dtype: str
) -> None:
    text = SOME.replace("SIZE", "16").replace("DTYPE", dtype).replace("COMBINE", combine)
    func = from_source(text).with_attr("tir.is_scheduled", True)
    kernel = tilewright.build(func, target="llvm")["main"]
    for place in range(16):
        total = tilewright.nd.array(np.array([start], dtype))
        data = np.arange(-8, 8).astype(dtype)
        data[place] = np.nan
        kernel(tilewright.nd.array(data), total, 16)
        assert np.isnan(total.numpy()[0])


def test_a_sum_under_a_condition_runs_lane_after_lane_without_masks() -> None:
    text = SOME.replace("SIZE", "11").replace("DTYPE", "int8").replace("COMBINE", "S[0] + A[i]")
    assert "vector_reduce" not in str(applied(T.VectorizeLoop(), text).body)


def test_one_lane_that_is_left_is_no_vector() -> None:
    before = lines("""
for j in T.vectorized(8):
    if j < 1:
        B[16 + j] = A[16 + j] * T.float32(2)
""")
    for masks in (False, True):
        check(
            T.VectorizeLoop(masks=masks),
            before,
            lines("B[T.Add(16, 0)] = A[T.Add(16, 0)] * T.float32(2)"),
        )
