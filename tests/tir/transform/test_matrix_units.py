"""Fragments, registers and permuted rows: the memory of matrix units."""

from __future__ import annotations

import pytest

from tilewright.support.errors import CompileError
from tilewright.tir import transform as T

from .cases import applied, check

FRAGMENTS = """
@T.prim_func
def main(A: T.Buffer((256,), "float16"), C: T.Buffer((256,), "float32")):
    a = T.allocate([256], "float16", "wmma.matrix_a")
    ATTR_A
    b = T.allocate([256], "float16", "wmma.matrix_b")
    ATTR_B
    c = T.allocate([256], "float32", "wmma.accumulator")
    ATTR_C
    FIRST
    T.tvm_load_matrix_sync(a, 16, 16, 16, 0, A.data, 16, "row_major")
    T.tvm_load_matrix_sync(b, 16, 16, 16, 0, A.data, 16, "col_major")
    T.tvm_mma_sync(c, 0, a, 0, b, 0, c, 0)
    T.tvm_store_matrix_sync(c, 16, 16, 16, 0, C.data, 16, "row_major")
"""
FILL = "T.tvm_fill_fragment(c, 16, 16, 16, 0, T.float32(0))"
LOAD = 'T.tvm_load_matrix_sync(c, 16, 16, 16, 0, C.data, 16, "col_major")'


def _fragments(first: str, **layouts: str) -> str:
    text = FRAGMENTS.replace("FIRST", first)
    for name in ("A", "B", "C"):
        layout = layouts.get(name.lower(), "")
        var = name.lower()
        lines = [f'T.attr({var}, "fragment_layout", "{layout}")'] if layout else []
        lines += [f'T.attr({var}, "fragment_shape", "16, 16, 16")'] if layouts else []
        text = text.replace(f"    ATTR_{name}\n", "".join(f"    {line}\n" for line in lines))
    return text


def test_fragments_get_the_shape_and_layout_of_their_uses() -> None:
    after = _fragments(FILL, a="row_major", b="col_major", c="row_major")
    check(T.InferFragment(), _fragments(FILL), after)
    after = _fragments(LOAD, a="row_major", b="col_major")
    check(T.InferFragment(), _fragments(LOAD), after)


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("T.evaluate(0)", "fragment d of a product is used before it holds anything"),
        (
            f"{FILL}\n    {FILL}".replace("16, 16, 16", "8, 32, 16", 1),
            "`c` is used as .16, 16, 16.",
        ),
        (
            'T.tvm_load_matrix_sync(a, 16, 16, 16, 0, A.data, 16, "col_major")',
            "`a` is used as .16, 16, 16. row_major and as .16, 16, 16. col_major",
        ),
        (
            "T.tvm_fill_fragment(c, 8, 32, 16, 0, T.float32(0))\n"
            "    T.tvm_fill_fragment(a, 8, 32, 16, 0, T.float16(0))\n"
            "    T.tvm_fill_fragment(b, 16, 16, 16, 0, T.float16(0))\n"
            "    T.tvm_mma_sync(c, 0, a, 0, b, 0, c, 0)",
            "different shapes: d: .8, 32, 16., a: .8, 32, 16., b: .16, 16, 16.",
        ),
    ],
)
def test_fragments_of_two_kinds_are_refused(first: str, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        applied(T.InferFragment(), _fragments(first))


MMA = """
@T.prim_func
def main(A: T.Buffer((32, 8), "float16"), O: T.Buffer((48, 64), "float32")):
    with T.block("root"):
        T.reads()
        T.writes()
        a = T.alloc_buffer((SHAPE_A), "float16", scope="SCOPE_A")
        b = T.alloc_buffer((SHAPE_B), "float16", scope="SCOPE_B")
        c = T.alloc_buffer((SHAPE_C), "float32", scope="SCOPE_C")
        for i, j in T.grid(48, 64):
            with T.block("store"):
                vi, vj = T.axis.remap("SS", [i, j])
                T.reads(A[0:32, 0:8])
                T.writes(REGIONS)
                T.ptx_ldmatrix("float16", T.bool(False), 4, ".b16", a.data, 0, A.data, 0)
                T.ptx_ldmatrix("float16", T.bool(False), 4, ".b16", b.data, 0, A.data, 0)
                C_STORE
"""


def _mma(**parts: str) -> str:
    text = MMA
    for key, value in parts.items():
        text = text.replace(key, value)
    return text


UNITS = {f"SCOPE_{x}": f"m16n8k8.matrix{x}" for x in "ABC"}
PLAIN = {
    "SHAPE_A": "64, 8", "SHAPE_B": "8, 96", "SHAPE_C": "48, 64",
    "REGIONS": "a[0:32, 0:8], b[0:8, 0:8], c[vi, vj]", "C_STORE": "c[vi, vj] = T.float32(1)",
}  # fmt: skip


def test_buffers_of_matrix_units_become_registers() -> None:
    after = _mma(
        SCOPE_A="local", SCOPE_B="local", SCOPE_C="local", SHAPE_A="2, 1, 4, 2",
        SHAPE_B="1, 3, 1, 8", SHAPE_C="3, 8, 2, 2",
        REGIONS="a[0:2, 0:1, 0:4, 0:2], b[0:1, 0:3, 0:1, 0:8], c[0:3, 0:8, 0:2, 0:2]",
        C_STORE="c[vi // 16, vj // 8, vi % 16 // 8, vj % 2] = T.float32(1)",
    )  # fmt: skip
    check(T.TransformMmaBufferLayout(), _mma(**PLAIN, **UNITS), after)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SHAPE_A": "48, 8"}, "`a` in m16n8k8.matrixA is of 48 x 8, not of multiples of 32 x 8"),
        ({"SHAPE_B": "8, 8"}, "not of multiples of 8 x 32"),
        ({"SHAPE_C": "8, 16"}, "not of multiples of 16 x 8"),
        ({"C_STORE": "a[vi, vj] = T.float16(1)"}, "`a` in m16n8k8.matrixA is accessed by element"),
    ],
)
def test_what_matrix_units_do_not_hold_is_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(CompileError, match=message):
        applied(T.TransformMmaBufferLayout(), _mma(**{**PLAIN, **changes}, **UNITS))


PERMUTED = """
@T.prim_func
def main(X: T.Buffer((32, 64), "float16"), O: T.Buffer((64, 64), "float32")):
    for tx in T.thread_binding(32, thread="threadIdx.x"):
        with T.block("o"):
            T.reads(X[0:32, 0:64])
            T.writes(O[0:64, 0:64])
            S = T.alloc_buffer((32, WIDTH), "float16", scope="shared")
            W = T.alloc_buffer((16, 16), "float16", scope="warp")
            with T.block("fill"):
                T.reads(X[0:32, 0:64])
                T.writes(S[0:32, 0:WIDTH])
                MARK
                for i in range(4):
                    for v in T.vectorized(8):
                        S[i * 8 + tx // 8, COLUMN] = X[i * 8 + tx // 8, tx % 8 * 8 + v]
            for k in range(2):
                with T.block("read"):
                    T.reads(S[0:16, k * 16:k * 16 + 16])
                    T.writes(W[0:16, 0:16])
                    MARK
                    T.ptx_ldmatrix("float16", T.bool(False), 4, ".b16", W.data, tx * 8, ADDRESS)
"""
POINTER = 'T.tvm_access_ptr(T.type_annotation("float16"), S.data, PLACE, 2048, 1)'


def _permuted(width: int, turn: str = "", mark: str = "True") -> str:
    text = PERMUTED.replace("WIDTH", str(width))
    if not turn:
        text = text.replace("MARK", f'T.block_attr({{"permuted_layout": T.bool({mark})}})')
        address = f"{POINTER}, {width} * (tx % 16) + 8 * (tx // 16)".replace("PLACE", "k * 16")
        return text.replace("COLUMN", "tx % 8 * 8 + v").replace("ADDRESS", address)
    text = "".join(line for line in text.splitlines(True) if line.strip() != "MARK")
    fill = {"tx % 8": "tx // 8", "tx % 8 // 2": "tx // 16"}[turn]
    text = text.replace("COLUMN", f"T.bitwise_xor(tx % 8, {fill}) * 8 + v")
    place = f"tx % 16 * {width} + T.bitwise_xor(k * 2 + tx // 16, {turn}) * 8"
    return text.replace("ADDRESS", f"{POINTER}, 0".replace("PLACE", place))


@pytest.mark.parametrize(("width", "turn"), [(64, "tx % 8"), (128, "tx % 8"), (32, "tx % 8 // 2")])
def test_rows_of_shared_memory_are_permuted(width: int, turn: str) -> None:
    check(T.InjectPermutedLayout(), _permuted(width), _permuted(width, turn))


def test_blocks_without_the_mark_keep_their_rows() -> None:
    made = applied(T.InjectPermutedLayout(), _permuted(64, mark="False"))
    assert "^" not in made.script() and "permuted_layout" not in made.script()


def test_rows_that_cannot_be_permuted_are_named() -> None:
    with pytest.raises(CompileError, match="`S` are not permuted: its rows have 24 elements"):
        applied(T.InjectPermutedLayout(), _permuted(24))
    direct = _permuted(64).replace(POINTER.replace("PLACE", "k * 16"), "S.data")
    with pytest.raises(CompileError, match="is no tvm_access_ptr: S"):
        applied(T.InjectPermutedLayout(), direct)
