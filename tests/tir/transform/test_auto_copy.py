"""Copies spread over the threads of a block."""

from __future__ import annotations

import pytest

from tilewright import tir
from tilewright.support.errors import CompileError
from tilewright.tir import transform as T

from .cases import applied, check, nodes, same_result

COPY = """
@T.prim_func
def main(A: T.Buffer((ROWS, COLUMNS), "float32"), B: T.Buffer((ROWS, COLUMNS), "float32")):
    for ty in T.thread_binding(4, thread="threadIdx.y"):
        for tx in T.thread_binding(8, thread="threadIdx.x"):
            with T.block("outer"):
                T.reads(A[0:ROWS, 0:COLUMNS])
                T.writes(B[0:ROWS, 0:COLUMNS])
                S = T.alloc_buffer((ROWS, COLUMNS), "float32", scope="shared")
                with T.block("fill"):
                    T.reads(A[0:ROWS, 0:COLUMNS])
                    T.writes(S[0:ROWS, 0:COLUMNS])
                    T.block_attr({"auto_copy": 1ATTRS})
                    FILL
                with T.block("drain"):
                    T.reads(S[0:ROWS, 0:COLUMNS])
                    T.writes(B[0:ROWS, 0:COLUMNS])
                    T.block_attr({"auto_copy": 1ATTRS})
                    DRAIN
"""
FILL = (
    "for i, j in T.grid(ROWS, COLUMNS):\n                        S[i, j] = A[i, j] + T.float32(1)"
)
DRAIN = "for i, j in T.grid(COLUMNS, ROWS):\n                        B[j, i] = S[j, i]"
SPREAD = """for s in range(2):
                        for y in T.thread_binding(4, thread="threadIdx.y"):
                            for x in T.thread_binding(8, thread="threadIdx.x"):
                                for v in T.vectorized(4):
                                    """
PLACE = "[s * 8 + y * 2 + x // 4, x % 4 * 4 + v]"


def _copy(rows: int, columns: int, fill: str = FILL, drain: str = DRAIN, attrs: str = "") -> str:
    text = COPY.replace("FILL", fill).replace("DRAIN", drain).replace("ATTRS", attrs)
    return text.replace("ROWS", str(rows)).replace("COLUMNS", str(columns))


def test_threads_copy_vectors_in_the_order_of_addresses() -> None:
    vectors = ', "vector_bytes": 16'
    fill = f"{SPREAD}S{PLACE} = A{PLACE} + T.float32(1)"
    drain = f"{SPREAD}B{PLACE} = S{PLACE}"
    after = _copy(16, 16, fill, drain, vectors)
    check(T.LowerAutoCopy(), _copy(16, 16, attrs=vectors), after)


@pytest.mark.parametrize(
    "attrs", ["", ', "vector_bytes": 16', ', "vector_bytes": 8, "local_stage": 1']
)
@pytest.mark.parametrize("shape", [(16, 16), (12, 20), (3, 5)])
def test_copies_keep_what_they_copy(shape: tuple[int, int], attrs: str) -> None:
    text = _copy(*shape, attrs=attrs)
    made = same_result([T.LowerAutoCopy(), T.UnifyThreadBinding()], text, shape, shape)
    assert ("S_local" in made.script()) == ("local_stage" in attrs)


def test_a_warp_stands_for_32_threads() -> None:
    text = _copy(64, 8).replace('T.thread_binding(8, thread="threadIdx.x")', "range(1)")
    text = text.replace(
        "                S = T.alloc",
        '                T.block_attr({"warp_execution": 1})\n                S = T.alloc',
    )
    shown = applied(T.LowerAutoCopy(), text).script()
    assert shown.count('in T.thread_binding(32, thread="threadIdx.x")') == 2


FRAGMENT = """
@T.prim_func
def main(A: T.Buffer((64, 64), "float16")):
    with T.block("root"):
        T.reads()
        T.writes()
        S = T.alloc_buffer((64, 48), "float16", scope="shared")
        W = T.alloc_buffer((32, 48), "float16", scope="SCOPE")
        for k in range(2):
            with T.block("copy"):
                T.reads(S[k * 32:k * 32 + 32, 0:48], W[0:32, 0:48])
                T.writes(S[k * 32:k * 32 + 32, 0:48], W[0:32, 0:48])
                T.block_attr({"auto_copy": 1})
                for i, j in T.grid(32, 48):
                    COPY
"""
LOAD, STORE = "W[i, j] = S[k * 32 + i, j]", "S[k * 32 + i, j] = W[i, j]"


@pytest.mark.parametrize(
    ("scope", "copy", "move"),
    [
        ("wmma.matrix_a", LOAD, "T.tvm_load_matrix_sync(tgt.data, 16, 16, 16, "),
        ("wmma.matrix_b", LOAD, "T.tvm_load_matrix_sync(tgt.data, 16, 16, 16, "),
        ("wmma.accumulator", STORE, "T.tvm_store_matrix_sync(src.data, 16, 16, 16, "),
    ],
)
def test_fragments_are_copied_by_squares(scope: str, copy: str, move: str) -> None:
    made = applied(T.LowerAutoCopy(), FRAGMENT.replace("SCOPE", scope).replace("COPY", copy))
    shown = made.script()
    assert "for i_0, j_0 in T.grid(2, 3):" in shown and move in shown
    tile = "S[k * 32 + i_0 * 16:k * 32 + i_0 * 16 + 16, j_0 * 16:j_0 * 16 + 16]"
    assert f"T.match_buffer({tile}, (16, 16), " in shown
    assert f'"{"col" if scope == "wmma.matrix_b" else "row"}_major")' in shown


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (LOAD, "W[i, j] = S[k * 32 + i, j + i]", r"index 1 of `S` is no loop's variable"),
        (LOAD, "W[i, j] = A[k * 32 + i, j]", "`copy` copies from global to wmma.matrix_a"),
        (LOAD, "T.evaluate(0)", "`copy` with `auto_copy` is not one store of what it loads"),
        ("T.grid(32, 48)", "T.grid(32, 40)", "loop `j` of a fragment runs over 40"),
    ],
)
def test_what_is_no_copy_is_named(old: str, new: str, message: str) -> None:
    text = FRAGMENT.replace("SCOPE", "wmma.matrix_a").replace("COPY", LOAD).replace(old, new)
    with pytest.raises(CompileError, match=message):
        applied(T.LowerAutoCopy(), text)


def test_copies_between_other_memories_stay() -> None:
    text = _copy(16, 16).replace('scope="shared"', 'scope="local"')
    check(T.LowerAutoCopy(), text, text)


TRANSPOSED = "for i, j in T.grid(ROWS, COLUMNS):\n                        S[j, i] = A[i, j]"
BACK = "for i, j in T.grid(ROWS, COLUMNS):\n                        B[i, j] = S[j, i]"


def _strides(made: tir.PrimFunc) -> list[int]:
    (shared,) = (
        buffer for block in nodes(made, tir.Block) for buffer in block.alloc_buffers
        if buffer.scope() == "shared"
    )  # fmt: skip
    return [stride.value for stride in shared.strides]


@pytest.mark.parametrize(
    ("attrs", "strides"),
    [
        # 32 threads at [j, i] for j below 32: in one bank, in 32 with a gap of one element
        ("", [33, 1]),
        # 8 threads at every fourth row: 8 banks with any gap
        (', "vector_bytes": 16', [33, 1]),
    ],
)
def test_rows_of_shared_memory_lie_apart_where_threads_would_meet(
    attrs: str, strides: list[int]
) -> None:
    text = _copy(32, 32, TRANSPOSED, BACK, attrs)
    made = same_result([T.LowerAutoCopy(), T.UnifyThreadBinding()], text, (32, 32), (32, 32))
    assert _strides(made) == strides


def test_rows_that_vectors_are_stored_to_stay_aligned() -> None:
    drain = "for i, j in T.grid(COLUMNS, ROWS):\n                        B[i, j] = S[j, i]"
    text = _copy(32, 32, FILL, drain, ', "vector_bytes": 16')
    assert _strides(applied(T.LowerAutoCopy(), text)) == [36, 1]


def test_memory_whose_address_is_handed_out_keeps_its_rows() -> None:
    text = _copy(32, 32, TRANSPOSED, BACK).replace(
        '                with T.block("drain"):',
        '                T.evaluate(T.call_extern("int32", "f", S.data))\n'
        '                with T.block("drain"):',
    )
    assert _strides(applied(T.LowerAutoCopy(), text)) == []


@pytest.mark.parametrize(("dtype", "row"), [("float16", 72), ("float32", 72)])
def test_rows_of_fragments_lie_eight_elements_apart(dtype: str, row: int) -> None:
    text = FRAGMENT.replace("SCOPE", "wmma.matrix_a").replace("COPY", LOAD)
    text = text.replace("48", "64").replace("float16", dtype)
    assert _strides(applied(T.LowerAutoCopy(), text)) == [row, 1]
