"""Tensor cores of CUDA devices by the threads of a warp: `ldmatrix` loads, `mma` multiplies.

A fragment is a buffer of 32 threads by the elements that each holds, in the layouts of
`cuda_layouts`. The names say the types and what is transposed in memory; the constants in `cuda`
follow them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from ...support.errors import ArgumentError, listing
from ..expr import Var
from . import cuda_layouts as layouts
from .declare import declare, program

WARP = 32
SIDE = 16
"""Rows and columns of a result."""
SCOPES = {"shared": "", "shared.dyn": "_dyn"}
STORES = {"global": "global", "shared": "shared", "shared.dyn": "shared_dyn"}
RESULTS = {"float32": ("f32", "fp32"), "float16": ("f16", "fp16"), "int32": ("i32", "int32")}
"""Types of results, in names and in PTX."""
Names = dict[Literal["init", "load_a", "load_b", "compute", "store"], str]


@dataclass(frozen=True)
class Kind:
    """A type of operands: in names, in PTX, how deep one product is, and the results' types."""

    dtype: str
    short: str
    ptx: str
    depth: int
    results: tuple[str, ...]

    @property
    def held(self) -> int:
        """How many elements of an operand a thread holds."""
        return SIDE * self.depth // WARP


KINDS = {
    kind.dtype: kind
    for kind in (
        Kind("float16", "f16", "fp16", 16, ("float32", "float16")),
        Kind("int8", "i8", "int8", 32, ("int32",)),
        Kind("float8_e4m3fn", "e4m3", "e4m3", 32, ("float32",)),
        Kind("float8_e5m2", "e5m2", "e5m2", 32, ("float32",)),
    )
}

LAYOUTS: dict[tuple[int, int], Callable[[Any, Any], layouts.Pair]] = {
    (16, 16): layouts.shared_16x16_to_ldmatrix_32x8_layout,
    (16, 32): layouts.shared_16x32_to_ldmatrix_32x16_layout,
    (32, 16): layouts.shared_32x16_to_ldmatrix_32x16_layout,
}
"""Thread and place of an element, by the shape of the matrix in memory."""


def _place(shape: tuple[int, int], row: str, column: str) -> str:
    """The indices in its fragment of the element of a matrix at `row` and `column`."""
    thread, place = LAYOUTS[shape](Var(row, "int32"), Var(column, "int32"))
    return f"{thread}, {place}"


def _in_memory(kind: Kind, side: str, trans: bool) -> tuple[int, int]:
    """The shape in memory of an operand, the left (`a`) or the right (`b`)."""
    across = (side == "b") != trans
    return (kind.depth, SIDE) if across else (SIDE, kind.depth)


def _warp(name: str, held: int, dtype: str, factor: int) -> str:
    return f'{name}: ({WARP}, {held}), "{dtype}", scope="warp", offset_factor={factor}'


def _memory(name: str, shape: tuple[int, int], options: str, strided: bool) -> str:
    strides = ", strides=[s0, s1]" * strided
    return f"{name}: {shape}, {options}{strides}"


def _whole(name: str, rows: int, columns: int) -> str:
    return f"{name}[0:{rows}, 0:{columns}]"


STRIDES = ("s0", "s1")


def _load(kind: Kind, side: str, trans: bool, scope: str) -> str:
    """A fragment from shared memory, four matrices of eight rows of sixteen bytes at a time.

    A matrix that is not stored by rows of the product's depth is transposed on the way, which the
    instruction does for 16 bits; for bytes, the code generator goes by the stride."""
    shape = rows, columns = _in_memory(kind, side, trans)
    across = (side == "b") != trans
    options = f'"{kind.dtype}", scope="{scope}", offset_factor={columns}'
    warp = _warp("warp", kind.held, kind.dtype, columns)
    regions = (_whole("shared", rows, columns), _whole("warp", WARP, kind.held))
    desc = f"""
for i, j in T.grid({rows}, {columns}):
    with T.block("element"):
        vi, vj = T.axis.remap("SS", [i, j])
        warp[{_place(shape, "vi", "vj")}] = shared[vi, vj]
"""
    chunk = kind.held
    offset = f"s0 * (tx % 16) + {chunk} * (tx // 16)"
    if trans:
        offset = f"s0 * 8 * (tx // 16) + s0 * (tx % 8) + {chunk} * (tx % 16 // 8)"
    elif across and kind.depth != SIDE:
        offset = "s0"
    impl = f"""
for tx in T.thread_binding({WARP}, thread="threadIdx.x"):
    T.ptx_ldmatrix("{kind.dtype}", {across}, 4, ".b16", warp.data, warp.elem_offset + {chunk} * tx,
                   shared.access_ptr("r"), {offset})
"""
    return declare(
        f"mma_ldmatrix_{kind.short}_{side}{'_trans' * trans}{SCOPES[scope]}",
        program("ldmatrix", [warp, _memory("shared", shape, options, False)], *regions, desc),
        program(
            "ldmatrix", [warp, _memory("shared", shape, options, True)], *regions, impl,
            symbols=STRIDES,
        ),
    )  # fmt: skip


def _multiply(kind: Kind, out: str, trans_a: bool, trans_b: bool) -> str:
    """C[i, j] += A[i, k] * B[k, j] of fragments, as two instructions of eight columns each."""
    a, b = _in_memory(kind, "a", trans_a), _in_memory(kind, "b", trans_b)
    buffers = [
        _warp("A", kind.held, kind.dtype, a[1]),
        _warp("B", kind.held, kind.dtype, b[1]),
        _warp("C", 8, out, SIDE),
    ]
    whole = [_whole(n, WARP, held) for n, held in (("C", 8), ("A", kind.held), ("B", kind.held))]
    left = _place(a, "vk", "vi") if trans_a else _place(a, "vi", "vk")
    right = _place(b, "vj", "vk") if trans_b else _place(b, "vk", "vj")
    values = [f"A[{left}]", f"B[{right}]"]
    if out != kind.dtype:
        values = [f'T.Cast("{out}", {v})' for v in values]
    place = _place((SIDE, SIDE), "vi", "vj")
    desc = f"""
for i, j, k in T.grid({SIDE}, {SIDE}, {kind.depth}):
    with T.block("update"):
        vi, vj, vk = T.axis.remap("SSR", [i, j, k])
        C[{place}] = C[{place}] + {" * ".join(values)}
"""
    _, ptx = RESULTS[out]
    calls = "\n".join(
        f'    T.ptx_mma("{out}", "m16n8k{kind.depth}", "row", "col", "{kind.ptx}", "{kind.ptx}", '
        f'"{ptx}", A.data, A.elem_offset + tx * {kind.held}, '
        f"B.data, B.elem_offset + tx * {kind.held}{f' + {kind.held // 2}' * half}, "
        f"C.data, C.elem_offset + tx * 8{' + 4' * half}, False)"
        for half in (False, True)
    )
    impl = f'for tx in T.thread_binding({WARP}, thread="threadIdx.x"):\n{calls}'
    short, _ = RESULTS[out]
    return declare(
        f"mma_{kind.short}{kind.short}{short}{'_trans_a' * trans_a}{'_trans_b' * trans_b}",
        program("mma", buffers, ", ".join(whole), whole[0], desc),
        program("mma", buffers, ", ".join(whole), whole[0], impl),
    )


def _fill(dtype: str) -> str:
    """C[i, j] = 0 in the fragment of a result."""
    place = _place((SIDE, SIDE), "vi", "vj")
    desc = f"""
for i, j in T.grid({SIDE}, {SIDE}):
    with T.block("element"):
        vi, vj = T.axis.remap("SS", [i, j])
        C[{place}] = T.{dtype}(0)
"""
    impl = f"""
for tx in T.thread_binding({WARP}, thread="threadIdx.x"):
    T.mma_fill("{dtype}", 8, C.data, C.elem_offset)
"""
    whole = _whole("C", WARP, 8)
    return declare(
        f"mma_fill_16x16_{RESULTS[dtype][0]}",
        program("fill", [_warp("C", 8, dtype, 0)], "", whole, desc),
        program("fill", [_warp("C", 8, dtype, 1)], "", whole, impl),
    )


def _store(dtype: str, scope: str, simple: bool) -> str:
    """C[i, j] = W[i, j] from the fragment of a result into memory; element by element if `simple`,
    else by the code generator's own instruction."""
    shape = (SIDE, SIDE)
    desc = f"""
for i, j in T.grid({SIDE}, {SIDE}):
    with T.block("element"):
        vi, vj = T.axis.remap("SS", [i, j])
        C[vi, vj] = W[{_place(shape, "vi", "vj")}]
"""
    thread, held = Var("tx", "int32"), Var("local", "int32")
    row, column = layouts.mma_store_32x8_to_shared_16x16_layout(thread, held)
    impl = f"""
for tx in T.thread_binding({WARP}, thread="threadIdx.x"):
    for local in range(8):
        C[{row}, {column}] = W[tx, local]
"""
    if not simple:
        impl = f"""
for tx in T.thread_binding({WARP}, thread="threadIdx.x"):
    T.mma_store("{dtype}", 16, 16, C.access_ptr("w"), W.data, W.elem_offset, s0)
"""
    options = f'"{dtype}", scope="{scope}", offset_factor='
    regions = (_whole("W", WARP, 8), _whole("C", SIDE, SIDE))
    return declare(
        f"mma_store_16x16_{RESULTS[dtype][0]}_{STORES[scope]}{'_simple' * simple}_",
        program(
            "store", [_warp("W", 8, dtype, 0), _memory("C", shape, f"{options}0", False)],
            *regions, desc,
        ),
        program(
            "store", [_warp("W", 8, dtype, 1), _memory("C", shape, f"{options}1", True)],
            *regions, impl, symbols=STRIDES,
        ),
    )  # fmt: skip


def _all() -> list[str]:
    names = []
    for kind in KINDS.values():
        both = (False, True) if kind.depth == SIDE else (False,)
        for scope in SCOPES:
            names += [_load(kind, "a", trans, scope) for trans in both]
            names += [_load(kind, "b", trans, scope) for trans in (False, True)]
        for out, trans_a, trans_b in product(kind.results, both, (False, True)):
            names.append(_multiply(kind, out, trans_a, trans_b))
    names += [_fill(dtype) for dtype in RESULTS]
    names += [_store(*row) for row in product(RESULTS, STORES, (False, True))]
    return names


def _constant(name: str) -> str:
    """`mma_ldmatrix_f16_a_trans_dyn` -> `LDMATRIX_f16_A_TRANS_DYN_INTRIN`."""
    _, operation, *rest = name.rstrip("_").split("_")
    if operation == "ldmatrix":
        return "_".join(["LDMATRIX", rest[0], *(r.upper() for r in rest[1:]), "INTRIN"])
    if operation == "store":
        simple = "simple" in rest
        kept = [r for r in rest if r != "simple"]
        return "_".join(["MMA_store", *kept, "INTRIN"]) + "_SIMPLE" * simple
    upper = [r if operation == "fill" else r.upper() for r in rest]
    return "_".join(["MMA", operation, *upper, "INTRIN"])


CONSTANTS = {_constant(name): name for name in _all()}
"""The names of all intrinsics, by the constants that hold them."""


def get_mma_intrin_group(
    load_scope: Literal["shared", "shared.dyn"],
    store_scope: Literal["global", "shared", "shared.dyn"],
    in_dtype: str,
    out_dtype: str,
    trans_a: bool,
    trans_b: bool,
    not_use_mma_store_intrinic: bool = True,
    store_to_smem_dtype: str | None = None,
) -> Names:
    """The names of the intrinsics of one product of 16 by 16 by 16 (by 32 for bytes).

    `not_use_mma_store_intrinic`: store element by element. `store_to_smem_dtype`: the type stored,
    if not that of the result. Raises `ArgumentError` if one of them does not exist.
    """
    kind = KINDS.get(in_dtype)
    if kind is None or out_dtype not in kind.results:
        known = [f"{k.dtype} into {out}" for k in KINDS.values() for out in k.results]
        raise ArgumentError(
            f"no product of {in_dtype} into {out_dtype}", note=f"there are {listing(known)}"
        )
    dynamic = SCOPES.get(load_scope)
    where = STORES.get(store_scope)
    if dynamic is None or where is None:
        raise ArgumentError(f"no fragments from {load_scope!r} to {store_scope!r}")
    short, _ = RESULTS[out_dtype]
    a, b = "_trans" * trans_a, "_trans" * trans_b
    stored, _ = RESULTS[store_to_smem_dtype or out_dtype]
    made: Names = {
        "init": f"mma_fill_16x16_{short}",
        "load_a": f"mma_ldmatrix_{kind.short}_a{a}{dynamic}",
        "load_b": f"mma_ldmatrix_{kind.short}_b{b}{dynamic}",
        "compute": f"mma_{kind.short}{kind.short}{short}{'_trans_a' * trans_a}"
        f"{'_trans_b' * trans_b}",
        "store": f"mma_store_16x16_{stored}_{where}{'_simple' * not_use_mma_store_intrinic}_",
    }
    missing = [name for name in made.values() if name not in CONSTANTS.values()]
    if missing:
        raise ArgumentError(f"there is no {missing[0]}: bytes are not transposed on the left side")
    return made
