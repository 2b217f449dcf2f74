"""Tensor cores of CUDA devices by whole fragments (`wmma`): load, fill, multiply, store.

Each name is `wmma_<operation>_<m>x<n>x<k>_...`; the constants follow it in capitals.
"""

from __future__ import annotations

from typing import Literal

from .cuda_layouts import *
from .cuda_mma import CONSTANTS
from .cuda_mma import get_mma_intrin_group as get_mma_intrin_group
from .declare import declare, strided_pair

SHORT = {"float16": "f16", "float32": "f32", "int8": "s8", "int4": "s4", "int32": "s32"}
Shape = tuple[int, int, int]
SHAPE: Shape = (16, 16, 16)
SMALL: Shape = (8, 8, 32)
"""Of operands of four bits, the right one transposed in memory."""
SCOPES = {"shared": "shared", "shared.dyn": "shared_dyn"}
Names = dict[Literal["init", "load_a", "load_b", "compute", "store"], str]


def _fragment(buffer: str, stride: str, rows: int, columns: int) -> str:
    """The number of a fragment among those in its buffer."""
    where = f"{buffer.lower()}2"
    return (f"{where} // {stride} // {rows} * ({stride} // {columns})"
            f" + {where} % {stride} // {columns}")  # fmt: skip


def _elementwise(rows: int, columns: int, value: str) -> str:
    return f"""
for i, j in T.grid({rows}, {columns}):
    with T.block("element"):
        vi, vj = T.axis.remap("SS", [i, j])
        C[vi, vj] = {value}
"""


def _load(shape: Shape, dtype: str, side: str, scope: str, trans: bool) -> str:
    """C[i, j] = A[i, j] from shared memory into a fragment of the side `a` or `b`."""
    m, n, k = shape
    rows, columns = (m, k) if side == "a" else (k, n)
    if trans:
        rows, columns = columns, rows
    layout = "col_major" if trans else "row_major"
    buffers = [
        ("A", rows, columns, dtype, scope),
        ("C", rows, columns, dtype, f"wmma.matrix_{side}"),
    ]
    regions = (f"A[0:{rows}, 0:{columns}]", f"C[0:{rows}, 0:{columns}]")
    impl = (f"T.tvm_load_matrix_sync(C.data, {m}, {n}, {k}, {_fragment('C', 'c1', rows, columns)},"
            f' A.access_ptr("r"), a1, "{layout}")')  # fmt: skip
    name = f"wmma_load_{m}x{n}x{k}_{SHORT[dtype]}_{side}{'_trans' * trans}_{SCOPES[scope]}"
    return declare(
        name,
        *strided_pair("wmma", buffers, *regions, (_elementwise(rows, columns, "A[vi, vj]"), impl)),
    )


def _fill(shape: Shape, dtype: str) -> str:
    """C[i, j] = 0 in an accumulator."""
    m, n, k = shape
    buffers = [("C", m, n, dtype, "wmma.accumulator")]
    zero = f"T.{dtype}(0)"
    impl = f"T.tvm_fill_fragment(C.data, {m}, {n}, {k}, {_fragment('C', 'c1', m, n)}, {zero})"
    whole = f"C[0:{m}, 0:{n}]"
    return declare(
        f"wmma_fill_{m}x{n}x{k}_{SHORT[dtype]}",
        *strided_pair("wmma", buffers, "", whole, (_elementwise(m, n, zero), impl)),
    )


def _store(shape: Shape, dtype: str, scope: str) -> str:
    """C[i, j] = A[i, j] from an accumulator into memory."""
    m, n, k = shape
    buffers = [("A", m, n, dtype, "wmma.accumulator"), ("C", m, n, dtype, scope)]
    regions = (f"A[0:{m}, 0:{n}]", f"C[0:{m}, 0:{n}]")
    impl = (f"T.tvm_store_matrix_sync(A.data, {m}, {n}, {k}, {_fragment('A', 'a1', m, n)},"
            f' C.access_ptr("w"), c1, "row_major")')  # fmt: skip
    return declare(
        f"wmma_store_{m}x{n}x{k}_{SHORT[dtype]}_{SCOPES.get(scope, scope)}",
        *strided_pair("wmma", buffers, *regions, (_elementwise(m, n, "A[vi, vj]"), impl)),
    )


def _sync(shape: Shape, dtype: str, out: str, trans: bool) -> str:
    """C[i, j] += A[i, k] * B[k, j] of fragments (B[j, k] if `trans`)."""
    m, n, k = shape
    right = (n, k) if trans else (k, n)
    buffers = [
        ("A", m, k, dtype, "wmma.matrix_a"),
        ("B", *right, dtype, "wmma.matrix_b"),
        ("C", m, n, out, "wmma.accumulator"),
    ]
    regions = (
        f"C[0:{m}, 0:{n}], A[0:{m}, 0:{k}], B[0:{right[0]}, 0:{right[1]}]",
        f"C[0:{m}, 0:{n}]",
    )
    a, b = "A[vi, vk]", "B[vj, vk]" if trans else "B[vk, vj]"
    if out != dtype:
        a, b = f'T.Cast("{out}", {a})', f'T.Cast("{out}", {b})'
    desc = f"""
for i, j, k in T.grid({m}, {n}, {k}):
    with T.block("update"):
        vi, vj, vk = T.axis.remap("SSR", [i, j, k])
        C[vi, vj] = C[vi, vj] + {a} * {b}
"""
    places = [f"{x}.data, {_fragment(x, f'{x.lower()}1', r, c)}"
              for x, r, c in (("C", m, n), ("A", m, k), ("B", *right), ("C", m, n))]  # fmt: skip
    impl = f"T.tvm_mma_sync({', '.join(places)})"
    kinds = f"{SHORT[dtype]}{SHORT[dtype]}{SHORT[out]}"
    return declare(
        f"wmma_sync_{m}x{n}x{k}_{kinds}{'_trans' * trans}",
        *strided_pair("wmma", buffers, *regions, (desc, impl)),
    )


def _constant(name: str) -> str:
    """`wmma_load_16x16x16_f16_a_shared` -> `WMMA_LOAD_16x16x16_F16_A_INTRIN`."""
    operation, family, shape, *rest = name.split("_")
    made = "_".join(part.upper() for part in rest)
    if family == "load":
        made = made.replace("_SHARED_DYN", "_DYN").replace("_SHARED", "")
    elif family == "sync":
        made = "_".join([rest[0], *(part.upper() for part in rest[1:])])
    return f"{operation.upper()}_{family.upper()}_{shape}_{made}_INTRIN"


def _all() -> list[str]:
    names = [_load(SHAPE, dtype, side, scope, trans)
             for dtype in ("float16", "int8") for side in "ab"
             for scope in SCOPES for trans in (False, True)]  # fmt: skip
    for out in ("float16", "float32", "int32"):
        names.append(_fill(SHAPE, out))
        names += [_store(SHAPE, out, scope) for scope in (*SCOPES, "global")]
    names += [_sync(SHAPE, dtype, out, trans)
              for dtype, out in (("float16", "float16"), ("float16", "float32"), ("int8", "int32"))
              for trans in (False, True)]  # fmt: skip
    for scope in SCOPES:
        names.append(_load(SMALL, "int4", "a", scope, trans=False))
        names.append(_load(SMALL, "int4", "b", scope, trans=True))
    names += [_sync(SMALL, "int4", "int32", trans=True), _fill(SMALL, "int32")]
    names += [_store(SMALL, "int32", scope) for scope in (*SCOPES, "global")]
    return names


globals().update({_constant(name): name for name in _all()}, **CONSTANTS)


def get_wmma_intrin_group(
    load_scope: Literal["shared", "shared.dyn"],
    store_scope: Literal["global", "shared", "shared.dyn"],
    in_dtype: str,
    out_dtype: str,
    trans_b: bool,
) -> Names:
    """The names of the intrinsics of one product of tiles of 16 by 16 by 16."""
    m, n, k = SHAPE
    head = f"{m}x{n}x{k}"
    short, out = SHORT[in_dtype], SHORT[out_dtype]
    trans = "_trans" * trans_b
    return {
        "init": f"wmma_fill_{head}_{out}",
        "load_a": f"wmma_load_{head}_{short}_a_{SCOPES[load_scope]}",
        "load_b": f"wmma_load_{head}_{short}_b{trans}_{SCOPES[load_scope]}",
        "compute": f"wmma_sync_{head}_{short}{short}{out}{trans}",
        "store": f"wmma_store_{head}_{out}_{SCOPES.get(store_scope, store_scope)}",
    }
