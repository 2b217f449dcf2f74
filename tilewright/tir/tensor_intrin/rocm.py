"""Matrix cores of AMD devices by the threads of a wave: loads, `mfma`, stores, and dot products.

A fragment is a buffer of 64 threads by the elements that each holds. The layouts follow the tables
of `v_mfma_*_16x16x*` in the CDNA instruction set. The names are `ROCM_mfma_fill_...` and
`rocm_mfma_...`; the constants follow them in capitals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..expr import Var
from .declare import declare, program

WAVE = 64
SIDE = 16
"""Rows and columns of a result."""
HELD = 4
"""How many elements of a result a thread holds."""
Pair = tuple[Any, Any]
STRIDES = ("s0", "s1")
RESULTS = {"float32": "f32", "int32": "s32"}


def shared_16x4_to_local_64x1_layout_A(i: Any, j: Any) -> Pair:
    """Thread and place of an element of the left side, one a thread."""
    return j * SIDE + i, 0


def thread_id_shared_access_64x1_to_16x4_layout_A(thread_id: Any, local_id: Any) -> Pair:
    """The inverse of `shared_16x4_to_local_64x1_layout_A`."""
    return thread_id % SIDE, thread_id // SIDE + local_id


def shared_4x16_to_local_64x1_layout_B(i: Any, j: Any) -> Pair:
    """Thread and place of an element of the right side, one a thread."""
    return i * SIDE + j, 0


def thread_id_shared_access_64x1_to_4x16_layout_B(thread_id: Any, local_id: Any) -> Pair:
    """The inverse of `shared_4x16_to_local_64x1_layout_B`."""
    return thread_id // SIDE, thread_id % SIDE + local_id


def shared_16x16_to_local_64x4_layout_A(i: Any, j: Any) -> Pair:
    """Thread and place of an element of the left side, four neighbours in a row a thread."""
    return i + SIDE * (j // HELD), j % HELD


def thread_id_shared_access_64x4_to_16x16_layout_A(thread_id: Any, local_id: Any) -> Pair:
    """The inverse of `shared_16x16_to_local_64x4_layout_A`."""
    return thread_id % SIDE, thread_id // SIDE * HELD + local_id


def shared_16x16_to_local_64x4_layout_B(i: Any, j: Any) -> Pair:
    """Thread and place of an element of the right side, four neighbours in a column a thread."""
    return j + i // HELD * SIDE, i % HELD


def thread_id_shared_access_64x4_to_16x16_layout_B(thread_id: Any, local_id: Any) -> Pair:
    """The inverse of `shared_16x16_to_local_64x4_layout_B`."""
    return local_id + thread_id // SIDE * HELD, thread_id % SIDE


def shared_16x16_to_local_64x4_layout_C(i: Any, j: Any) -> Pair:
    """Thread and place of an element of the result, as of the right side."""
    return shared_16x16_to_local_64x4_layout_B(i, j)


def thread_id_shared_access_64x4_to_16x16_layout_C(thread_id: Any, local_id: Any) -> Pair:
    """The inverse of `shared_16x16_to_local_64x4_layout_C`."""
    return thread_id_shared_access_64x4_to_16x16_layout_B(thread_id, local_id)


@dataclass(frozen=True)
class Kind:
    """A type of operands: in names, how deep a product is, the result's type, the instruction."""

    dtype: str
    short: str
    depth: int
    out: str
    instruction: str

    @property
    def held(self) -> int:
        """How many elements of an operand a thread holds."""
        return SIDE * self.depth // WAVE

    def shape(self, side: str) -> tuple[int, int]:
        """The shape in memory of an operand, the left (`a`) or the right (`b`)."""
        return (SIDE, self.depth) if side == "a" else (self.depth, SIDE)


KINDS = (
    Kind("int8", "s8", 16, "int32", "i32.16x16x16i8"),
    Kind("float16", "f16", 16, "float32", "f32.16x16x16f16"),
    Kind("float32", "f32", 4, "float32", "f32.16x16x4f32"),
)
INTO = {
    ("a", 4): shared_16x4_to_local_64x1_layout_A,
    ("b", 4): shared_4x16_to_local_64x1_layout_B,
    ("a", 16): shared_16x16_to_local_64x4_layout_A,
    ("b", 16): shared_16x16_to_local_64x4_layout_B,
}
"""The layout of an operand, by its side and depth."""
BACK = {
    ("a", 4): thread_id_shared_access_64x1_to_16x4_layout_A,
    ("b", 4): thread_id_shared_access_64x1_to_4x16_layout_B,
    ("a", 16): thread_id_shared_access_64x4_to_16x16_layout_A,
    ("b", 16): thread_id_shared_access_64x4_to_16x16_layout_B,
}


def _at(layout: Any, first: str, second: str) -> str:
    """The indices that a layout gives for two variables."""
    a, b = layout(Var(first, "int32"), Var(second, "int32"))
    return f"{a}, {b}"


def _wave(name: str, held: int, dtype: str, factor: int = 1) -> str:
    return f'{name}: ({WAVE}, {held}), "{dtype}", scope="warp", offset_factor={factor}'


def _whole(name: str, rows: int, columns: int) -> str:
    return f"{name}[0:{rows}, 0:{columns}]"


def _grid(rows: int, columns: int, store: str) -> str:
    return f"""
for i, j in T.grid({rows}, {columns}):
    with T.block("element"):
        vi, vj = T.axis.remap("SS", [i, j])
        {store}
"""


def _threads(held: int, store: str) -> str:
    return f"""
tx = T.launch_thread("threadIdx.x", {WAVE})
for local in range({held}):
    {store}
"""


def _fill(dtype: str, short: str) -> str:
    """C[i, j] = 0 in the fragment of a result."""
    place = _at(shared_16x16_to_local_64x4_layout_C, "vi", "vj")
    zero, whole = f"T.{dtype}(0)", _whole("C", WAVE, HELD)
    desc, impl = (
        _grid(SIDE, SIDE, f"C[{place}] = {zero}"),
        _threads(HELD, f"C[tx, local] = {zero}"),
    )
    return declare(
        f"ROCM_mfma_fill_16x16_{short}",
        program("fill", [_wave("C", HELD, dtype, 0)], "", whole, desc),
        program("fill", [_wave("C", HELD, dtype)], "", whole, impl),
    )


def _load(kind: Kind, side: str) -> str:
    """A fragment of an operand from shared memory."""
    rows, columns = kind.shape(side)
    memory = f'memory: ({rows}, {columns}), "{kind.dtype}", scope="shared", offset_factor=1'
    buffers = [_wave("reg", kind.held, kind.dtype), memory]
    regions = (_whole("memory", rows, columns), _whole("reg", WAVE, kind.held))
    into = _at(INTO[side, kind.depth], "vi", "vj")
    back = _at(BACK[side, kind.depth], "tx", "local")
    size = f"16x{kind.depth}"
    where = f"{size}_a" if side == "a" else f"b_{size}"
    return declare(
        f"rocm_mfma_load_{where}_shared_{kind.short}",
        program("load", buffers, *regions, _grid(rows, columns, f"reg[{into}] = memory[vi, vj]")),
        program(
            "load",
            [buffers[0], f"{memory}, strides=[s0, s1]"],
            *regions,
            _threads(kind.held, f"reg[tx, local] = memory[{back}]"),
            symbols=STRIDES,
        ),
    )


def _multiply(kind: Kind) -> str:
    """C[i, j] += A[i, k] * B[k, j] of fragments."""
    buffers = [
        _wave("A", kind.held, kind.dtype),
        _wave("B", kind.held, kind.dtype),
        _wave("C", HELD, kind.out),
    ]
    whole = [_whole(n, WAVE, held) for n, held in (("C", HELD), ("A", kind.held), ("B", kind.held))]
    values = [
        f"A[{_at(INTO['a', kind.depth], 'vi', 'vk')}]",
        f"B[{_at(INTO['b', kind.depth], 'vk', 'vj')}]",
    ]
    if kind.out != kind.dtype:
        values = [f'T.Cast("{kind.out}", {v})' for v in values]
    place = _at(shared_16x16_to_local_64x4_layout_C, "vi", "vj")
    desc = f"""
for i, j, k in T.grid({SIDE}, {SIDE}, {kind.depth}):
    with T.block("update"):
        vi, vj, vk = T.axis.remap("SSR", [i, j, k])
        C[{place}] = C[{place}] + {" * ".join(values)}
"""
    held = "0" if kind.held == 1 else f"0:{kind.held}"
    operands = [f"A[tx, {held}]", f"B[tx, {held}]"]
    if kind.dtype == "int8":
        operands = [f'T.reinterpret("int32", {v})' for v in operands]
    call = f'"{kind.out}x{HELD}", "llvm.amdgcn.mfma.{kind.instruction}"'
    impl = f"""
tx = T.launch_thread("threadIdx.x", {WAVE})
C[tx, 0:{HELD}] = T.call_llvm_pure_intrin({call},
    {", ".join(operands)}, C[tx, 0:{HELD}], 0, 0, 0)
"""
    regions = (", ".join(whole), whole[0])
    return declare(
        f"rocm_mfma_{kind.short}{kind.short}{RESULTS[kind.out]}",
        program("mfma", buffers, *regions, desc),
        program("mfma", buffers, *regions, impl),
    )


def _store(dtype: str) -> str:
    """C[i, j] = W[i, j] from the fragment of a result into memory."""
    into = _at(shared_16x16_to_local_64x4_layout_C, "vi", "vj")
    back = _at(thread_id_shared_access_64x4_to_16x16_layout_C, "tx", "local")
    memory = f'C: ({SIDE}, {SIDE}), "{dtype}", offset_factor='
    regions = (_whole("W", WAVE, HELD), _whole("C", SIDE, SIDE))
    desc = _grid(SIDE, SIDE, f"C[vi, vj] = W[{into}]")
    impl = _threads(HELD, f"C[{back}] = W[tx, local]")
    return declare(
        f"rocm_mfma_store_16x16_{RESULTS[dtype]}",
        program("store", [_wave("W", HELD, dtype, 0), f"{memory}0"], *regions, desc),
        program(
            "store", [_wave("W", HELD, dtype), f"{memory}1, strides=[s0, s1]"],
            *regions, impl, symbols=STRIDES,
        ),
    )  # fmt: skip


def _dot() -> str:
    """C[0] += the sum of A[k] * B[k] over four bytes."""
    buffers = [
        'A: (4,), "int8", scope="shared", align=4',
        'B: (4,), "int8", scope="shared", align=4',
        'C: (1,), "int32", scope="local", align=4',
    ]
    desc = """
for i in range(4):
    with T.block("update"):
        vi = T.axis.reduce(4, i)
        C[0] = C[0] + T.Cast("int32", A[vi]) * T.Cast("int32", B[vi])
"""
    impl = """
C[0] = C[0] + T.call_llvm_pure_intrin("int32", "llvm.amdgcn.sdot4",
    T.reinterpret("int32", A[0:4]), T.reinterpret("int32", B[0:4]), 0, True)
"""
    regions = ("C[0], A[0:4], B[0:4]", "C[0]")
    return declare(
        "sdot4",
        program("dot", buffers, *regions, desc),
        program("dot", buffers, *regions, impl),
    )


def _constant(name: str) -> str:
    """`rocm_mfma_load_b_16x4_shared_f32` -> `ROCM_MFMA_LOAD_16x4_B_SHARED_f32_INTRIN`."""
    _, _, operation, *rest = name.split("_")
    if operation == "load":
        side, size = sorted(rest[:2], reverse=True)
        return f"ROCM_MFMA_LOAD_{size}_{side.upper()}_SHARED_{rest[-1]}_INTRIN"
    shown = operation.upper() if operation == "store" else operation
    return "_".join(["ROCM_MFMA", shown, *rest, "INTRIN"])


def _all() -> list[str]:
    names = [_fill("float32", "f32"), _fill("int32", "i32")]
    names += [_load(kind, side) for kind in KINDS for side in "ab"]
    names += [_multiply(kind) for kind in KINDS]
    return [*names, *(_store(dtype) for dtype in RESULTS)]


globals().update({_constant(name): name for name in _all()})
AMDGPU_SDOT4_INTRIN = _dot()
