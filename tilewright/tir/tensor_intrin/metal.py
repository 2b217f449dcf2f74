"""Matrices of eight by eight of a SIMD group on Metal devices: fill, load, multiply, store."""

from __future__ import annotations

from typing import Literal

from .declare import StridedBuffer, declare, strided_pair

SIZE = 8
Names = dict[Literal["init", "load_a", "load_b", "compute", "store"], str]
SHORT = {"float16": "f16", "float32": "f32", "bfloat16": "bf16"}
SCOPE = "metal.simdgroup"


def _index(buffer: str) -> str:
    """The number of a matrix among those in its buffer."""
    name = buffer.lower()
    return (f"{name}2 // {name}1 // {SIZE} * ({name}1 // {SIZE})"
            f" + {name}2 % {name}1 // {SIZE}")  # fmt: skip


def _elementwise(value: str, place: str = "vi, vj") -> str:
    return f"""
for i, j in T.grid({SIZE}, {SIZE}):
    with T.block("element"):
        vi, vj = T.axis.remap("SS", [i, j])
        C[{place}] = {value}
"""


def _whole(buffer: str) -> str:
    return f"{buffer}[0:{SIZE}, 0:{SIZE}]"


def _pair(
    buffers: list[StridedBuffer], reads: str, writes: str, desc: str, impl: str
) -> tuple[str, str]:
    return strided_pair("simdgroup", buffers, reads, writes, (desc, impl), factor=1)


def _fill(dtype: str) -> list[str]:
    """C[i, j] = 0"""
    buffers = [("C", SIZE, SIZE, dtype, SCOPE)]
    zero = f"T.{dtype}(0)"
    impl = f"T.make_filled_simdgroup_matrix(C.data, {_index('C')}, {zero}, {SIZE}, {SIZE})"
    pair = _pair(buffers, "", _whole("C"), _elementwise(zero), impl)
    return [
        declare(f"simdgroup_{word}_8x8x8_{SHORT[dtype]}", *pair) for word in ("make_filled", "fill")
    ]


def _copy(operation: str, dtype: str, scope: str, trans: bool = False) -> str:
    """C[i, j] = A[i, j] (C[j, i] if `trans`) into or out of the SIMD group."""
    loads = operation == "load"
    source, target = (scope, SCOPE) if loads else (SCOPE, scope)
    buffers = [("A", SIZE, SIZE, dtype, source), ("C", SIZE, SIZE, dtype, target)]
    matrix, memory, access = ("C", "A", "r") if loads else ("A", "C", "w")
    there = f'{memory}.access_ptr("{access}"), {memory.lower()}1'
    impl = (f"T.simdgroup_{operation}({matrix}.data, {_index(matrix)}, "
            f"{there}, {SIZE}, {SIZE}, {trans})")  # fmt: skip
    desc = _elementwise("A[vi, vj]", "vj, vi" if trans else "vi, vj")
    return declare(
        f"simdgroup_{operation}_8x8x8_{SHORT[dtype]}_{scope}{'_trans' * trans}",
        *_pair(buffers, _whole("A"), _whole("C"), desc, impl),
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
        *_pair(buffers, *regions, desc, f"T.simdgroup_multiply_accumulate({places})"),
    )


def _all() -> list[str]:
    names = []
    for dtype in SHORT:
        names += [*_fill(dtype), _multiply(dtype)]
        for scope in ("global", "shared"):
            names += [_copy("load", dtype, scope), _copy("load", dtype, scope, trans=True)]
            names.append(_copy("store", dtype, scope))
    return names


OPERATIONS = {
    "make_filled": "MAKE_FILLED",
    "fill": "FILLED",
    "multiply_accumulate": "MULTI_ACC",
    "load": "LOAD",
    "store": "STORE",
}


def _constant(name: str) -> str:
    """`simdgroup_load_8x8x8_f16_shared` -> `SIMDGROUP_LOAD_8x8x8_f16_SHARED_INTRIN`."""
    operation, _, rest = name.removeprefix("simdgroup_").partition("_8x8x8_")
    short, *where = rest.split("_")
    upper = "".join(f"_{w.upper()}" for w in where)
    return f"SIMDGROUP_{OPERATIONS[operation]}_8x8x8_{short}{upper}_INTRIN"


globals().update({_constant(name): name for name in _all()})


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
        "load_a": f"simdgroup_load_8x8x8_{short}_{load_scope}{'_trans' * trans_a}",
        "load_b": f"simdgroup_load_8x8x8_{short}_{load_scope}{'_trans' * trans_b}",
        "compute": f"simdgroup_multiply_accumulate_8x8x8_{short}",
        "store": f"simdgroup_store_8x8x8_{short}_{store_scope}",
    }
