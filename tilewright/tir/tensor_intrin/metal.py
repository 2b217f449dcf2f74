"""Matrices of eight by eight of a SIMD group on Metal devices: fill, load, multiply, store."""

from __future__ import annotations

from typing import Literal

from .declare import declare, strided_program

SIZE = 8
Names = dict[Literal["init", "load_a", "load_b", "compute", "store"], str]
SHORT = {"float16": "f16", "float32": "f32"}
SCOPE = "metal.simdgroup"


def _index(buffer: str) -> str:
    """The number of a matrix among those in its buffer."""
    name = buffer.lower()
    return (f"{name}2 // {name}1 // {SIZE} * ({name}1 // {SIZE})"
            f" + {name}2 % {name}1 // {SIZE}")  # fmt: skip


def _elementwise(value: str) -> str:
    return f"""
for i, j in T.grid({SIZE}, {SIZE}):
    with T.block("element"):
        vi, vj = T.axis.remap("SS", [i, j])
        C[vi, vj] = {value}
"""


def _whole(buffer: str) -> str:
    return f"{buffer}[0:{SIZE}, 0:{SIZE}]"


def _fill(dtype: str) -> str:
    """C[i, j] = 0"""
    buffers = [("C", SIZE, SIZE, dtype, SCOPE)]
    zero = f"T.{dtype}(0)"
    impl = f"T.make_filled_simdgroup_matrix(C.data, {_index('C')}, {zero}, {SIZE}, {SIZE})"
    return declare(
        f"simdgroup_make_filled_8x8x8_{SHORT[dtype]}",
        strided_program("simdgroup", buffers, "", _whole("C"), _elementwise(zero)),
        strided_program("simdgroup", buffers, "", _whole("C"), impl),
    )


def _copy(operation: str, dtype: str, scope: str, trans: bool = False) -> str:
    """C[i, j] = A[i, j] (A[j, i] if `trans`) into or out of the SIMD group."""
    loads = operation == "load"
    source, target = (scope, SCOPE) if loads else (SCOPE, scope)
    buffers = [("A", SIZE, SIZE, dtype, source), ("C", SIZE, SIZE, dtype, target)]
    matrix, memory, access = ("C", "A", "r") if loads else ("A", "C", "w")
    there = f'{memory}.access_ptr("{access}"), {memory.lower()}1'
    impl = (f"T.simdgroup_{operation}({matrix}.data, {_index(matrix)}, "
            f"{there}, {SIZE}, {SIZE}, {trans})")  # fmt: skip
    value = "A[vj, vi]" if trans else "A[vi, vj]"
    return declare(
        f"simdgroup_{operation}_{SHORT[dtype]}_{scope}{'_trans' * trans}",
        strided_program("simdgroup", buffers, _whole("A"), _whole("C"), _elementwise(value)),
        strided_program("simdgroup", buffers, _whole("A"), _whole("C"), impl),
    )


def _multiply(dtype: str) -> str:
    """C[i, j] += A[i, k] * B[k, j]"""
    buffers = [(x, SIZE, SIZE, dtype, SCOPE) for x in "ABC"]
    places = ", ".join(f"{x}.data, {_index(x)}" for x in ("C", "A", "B", "C"))
    desc = f"""
for i, j, k in T.grid({SIZE}, {SIZE}, {SIZE}):
    with T.block("update"):
        vi, vj, vk = T.axis.remap("SSR", [i, j, k])
        C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]
"""
    regions = (", ".join(map(_whole, "CAB")), _whole("C"))
    return declare(
        f"simdgroup_multiply_accumulate_8x8x8_{SHORT[dtype]}",
        strided_program("simdgroup", buffers, *regions, desc),
        strided_program("simdgroup", buffers, *regions,
                        f"T.simdgroup_multiply_accumulate({places})"),
    )  # fmt: skip


for _dtype in SHORT:
    _fill(_dtype)
    _multiply(_dtype)
    for _scope in ("global", "shared"):
        _copy("load", _dtype, _scope)
        _copy("load", _dtype, _scope, trans=True)
        _copy("store", _dtype, _scope)


def get_simdgroup_intrin_group(
    load_scope: Literal["shared"],
    store_scope: Literal["global", "shared"],
    dtype: str,
    trans_a: bool = False,
    trans_b: bool = False,
) -> Names:
    """The names of the intrinsics of one product of matrices of 8 by 8."""
    short = SHORT[dtype]
    return {
        "init": f"simdgroup_make_filled_8x8x8_{short}",
        "load_a": f"simdgroup_load_{short}_{load_scope}{'_trans' * trans_a}",
        "load_b": f"simdgroup_load_{short}_{load_scope}{'_trans' * trans_b}",
        "compute": f"simdgroup_multiply_accumulate_8x8x8_{short}",
        "store": f"simdgroup_store_{short}_{store_scope}",
    }
