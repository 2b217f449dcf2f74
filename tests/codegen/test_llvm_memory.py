"""Loads, stores and allocations of compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tilewright import tir
from tilewright.codegen.llvm.codegen import emit_module
from tilewright.ir.type import PointerType, PrimType
from tilewright.support.errors import CompileError
from tilewright.tir import (
    Allocate,
    AllocateConst,
    Broadcast,
    Buffer,
    BufferLoad,
    BufferStore,
    DeclBuffer,
    For,
    ForKind,
    PrimExpr,
    PrimFunc,
    Ramp,
    SeqStmt,
    Stmt,
    Var,
    const,
    decl_buffer,
)

from . import native
from .native import Compiled, live_workspaces, run

Array = np.ndarray[Any, Any]
DTYPES = ["bool", "int8", "uint16", "int32", "int64", "float16", "float32", "float64"]


def flat(name: str, size: int, dtype: str = "float32", scope: str = "global") -> Buffer:
    return decl_buffer((size,), dtype, name, scope=scope)


def i32(value: int) -> PrimExpr:
    return const(value, "int32")


def ramp(base: int, stride: int, lanes: int) -> PrimExpr:
    return Ramp(i32(base), i32(stride), lanes)


def numbers(dtype: str, count: int) -> Array:
    values = np.random.default_rng(0).integers(0, 100, count)
    return values.astype(dtype) if dtype != "bool" else values % 2 == 0


@pytest.mark.parametrize("stride", [1, 2, 3, -1, -2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_strided_loads_and_stores(dtype: str, stride: int) -> None:
    lanes, first = 8, 20
    source, target = flat("source", 64, dtype), flat("target", 64, dtype)
    read = BufferStore(
        target, BufferLoad(source, [ramp(first, stride, lanes)]), [ramp(0, 1, lanes)]
    )
    write = BufferStore(target, BufferLoad(source, [ramp(0, 1, lanes)]), [ramp(35, stride, lanes)])
    x, y = numbers(dtype, 64), np.zeros(64, dtype)
    run(PrimFunc([source.data, target.data], SeqStmt((read, write))), x, y)
    expected = np.zeros(64, dtype)
    expected[:lanes] = x[first + stride * np.arange(lanes)]
    expected[35 + stride * np.arange(lanes)] = x[:lanes]
    assert np.array_equal(y, expected)


def test_every_second_element_stays_inside_the_buffer() -> None:
    import ctypes
    import mmap

    page = mmap.mmap(-1, 2 * mmap.PAGESIZE)
    whole = np.frombuffer(page, np.float32)
    ctypes.CDLL(None).mprotect(ctypes.c_void_p(whole.ctypes.data + mmap.PAGESIZE), mmap.PAGESIZE, 0)
    last = mmap.PAGESIZE // 4
    x = whole[last - 31 : last]
    x[:] = np.arange(31)
    source, target = flat("source", 31), flat("target", 16)
    store = BufferStore(target, BufferLoad(source, [ramp(0, 2, 16)]), [ramp(0, 1, 16)])
    y = np.zeros(16, np.float32)
    run(PrimFunc([source.data, target.data], store), x, y)
    assert np.array_equal(y, np.arange(0, 31, 2))


def halved(first: int, base: PrimExpr) -> PrimExpr:
    """`base` plus half of `first`, `first + 1`, ... each."""
    return Broadcast(base, 16) + ramp(first, 1, 16) // Broadcast(i32(2), 16)


NEAR: dict[str, Callable[[PrimExpr], PrimExpr]] = {
    "copies": lambda n: halved(0, n),
    "neighbours": lambda n: halved(-1, n + 1),
    "stops": lambda n: (
        Broadcast(n, 16)
        + tir.max(halved(-1, i32(0)), Broadcast(i32(0), 16)) * Broadcast(i32(2), 16)
    ),
    "wraps": lambda n: ramp(3, 1, 16) % Broadcast(i32(5), 16) + Broadcast(n, 16),
    "from behind": lambda n: Broadcast(n + 20, 16) - halved(4, i32(0)),
    "two starts": lambda n: halved(0, n) + ramp(0, 1, 16) + Broadcast(n // 2, 16),
}
"""Indices whose lanes lie at fixed distances."""


@pytest.mark.parametrize("kind", NEAR)
def test_lanes_near_each_other_are_loaded_at_once(kind: str) -> None:
    source, target, n = flat("source", 64), flat("target", 16), Var("n", "int32")
    store = BufferStore(target, BufferLoad(source, [NEAR[kind](n)]), [ramp(0, 1, 16)])
    compiled = Compiled({"kernel": PrimFunc([source.data, target.data, n], store)})
    x, y = np.arange(64, dtype=np.float32) + 100, np.zeros(16, np.float32)
    half = np.arange(16) // 2
    for start in (2, 5):
        compiled("kernel", x, y, start)
        expected = {
            "copies": start + half,
            "neighbours": start + 1 + np.arange(-1, 15) // 2,
            "stops": start + 2 * np.maximum(np.arange(-1, 15) // 2, 0),
            "wraps": start + np.arange(3, 19) % 5,
            "from behind": start + 20 - np.arange(4, 20) // 2,
            "two starts": start + half + np.arange(16) + start // 2,
        }[kind]
        assert np.array_equal(y, x[expected])
    assert "insertelement" not in compiled.text


def test_what_lies_between_near_lanes_is_all_that_is_read() -> None:
    """The buffer begins and ends at pages that cannot be read."""
    import ctypes
    import mmap

    page = mmap.mmap(-1, 3 * mmap.PAGESIZE)
    whole = np.frombuffer(page, np.float32)
    for side in (0, 2):
        address = ctypes.c_void_p(whole.ctypes.data + side * mmap.PAGESIZE)
        ctypes.CDLL(None).mprotect(address, mmap.PAGESIZE, 0)
    size = mmap.PAGESIZE // 4
    for first, last in ((size, size + 9), (2 * size - 9, 2 * size)):
        x = whole[first:last]
        x[:] = np.arange(9)
        source, target = flat("source", 9), flat("target", 16)
        load = BufferLoad(source, [halved(-1, i32(1))])
        y = np.zeros(16, np.float32)
        run(PrimFunc([source.data, target.data], BufferStore(target, load, [ramp(0, 1, 16)])), x, y)
        assert np.array_equal(y, np.arange(-1, 15) // 2 + 1)


def test_the_last_vector_of_a_local_buffer_is_a_register() -> None:
    source, target = flat("source", 24), flat("target", 24)
    kept = flat("kept", 24, scope="local")
    body: list[Stmt] = []
    for start in (0, 16):
        at, mask = [ramp(start, 1, 16)], ramp(start, 1, 16) < Broadcast(i32(24), 16)
        body.append(BufferStore(kept, BufferLoad(source, at, mask), at, mask))
    for start in (0, 16):
        at, mask = [ramp(start, 1, 16)], ramp(start, 1, 16) < Broadcast(i32(24), 16)
        twice = BufferLoad(kept, at, mask) + BufferLoad(kept, at, mask)
        body.append(BufferStore(target, twice, at, mask))
    func = PrimFunc([source.data, target.data], Allocate(kept.data, "float32", (24,), True,
                                                         SeqStmt(tuple(body))))  # fmt: skip
    compiled = Compiled({"kernel": func})
    x, y = np.arange(24, dtype=np.float32), np.zeros(24, np.float32)
    compiled("kernel", x, y)
    assert np.array_equal(y, 2 * x)
    assert "(%rsp)" not in compiled.asm or "mm" not in compiled.asm


def test_gather_and_scatter_by_a_vector_of_indices() -> None:
    source, index, target = flat("source", 32), flat("index", 8, "int32"), flat("target", 32)
    where = BufferLoad(index, [ramp(0, 1, 8)])
    store = BufferStore(target, BufferLoad(source, [where]), [where + Broadcast(i32(1), 8)])
    x = np.arange(32, dtype=np.float32)
    i = np.array([30, 3, 9, 1, 0, 25, 7, 14], np.int32)
    y = np.zeros(32, np.float32)
    run(PrimFunc([source.data, index.data, target.data], store), x, i, y)
    expected = np.zeros(32, np.float32)
    expected[i + 1] = x[i]
    assert np.array_equal(y, expected)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8", "bool"])
def test_masked_lanes_are_not_touched(dtype: str, stride: int) -> None:
    source, target = flat("source", 64, dtype), flat("target", 64, dtype)
    n = Var("n", "int32")
    mask = ramp(0, 1, 16) < Broadcast(n, 16)
    where = ramp(0, stride, 16)
    store = BufferStore(target, BufferLoad(source, [where], mask), [where], mask)
    compiled = Compiled({"kernel": PrimFunc([source.data, target.data, n], store)})
    for count in (0, 5, 16):
        x = numbers("uint8", 64).astype("bool" if dtype == "bool" else "float32")
        if dtype not in ("bool", "bfloat16"):
            x = x.astype(dtype)
        elif dtype == "bfloat16":
            import ml_dtypes

            x = x.astype(ml_dtypes.bfloat16)
        y = np.zeros_like(x)
        compiled("kernel", x, y, count)
        expected = np.zeros_like(x)
        expected[: count * stride : stride] = x[: count * stride : stride]
        assert np.array_equal(y.astype(np.float32), expected.astype(np.float32))


def test_a_lane_mask_from_the_intrinsic() -> None:
    source, target, n = flat("source", 16), flat("target", 16), Var("n", "int32")
    mask = tir.Call("boolx16", "tir.get_active_lane_mask", (i32(0), n))
    store = BufferStore(target, BufferLoad(source, [ramp(0, 1, 16)]), [ramp(0, 1, 16)], mask)
    x, y = np.arange(16, dtype=np.float32), np.zeros(16, np.float32)
    run(PrimFunc([source.data, target.data, n], store), x, y, 5)
    assert np.array_equal(y, np.where(np.arange(16) < 5, x, 0))


def test_a_buffer_of_vectors_is_indexed_by_vectors() -> None:
    source = decl_buffer((4,), "float32x4", "source")
    target = flat("target", 16)
    store = BufferStore(target, BufferLoad(source, [i32(2)]), [ramp(4, 1, 4)])
    x, y = np.arange(16, dtype=np.float32), np.zeros(16, np.float32)
    run(PrimFunc([source.data, target.data], store), x, y)
    assert np.array_equal(y[4:8], x[8:12])


def sum_through(scratch: Buffer, size: PrimExpr, extra: tuple[Var, ...] = ()) -> PrimFunc:
    """`target[i] = scratch[i] + 1`, where `scratch` was filled from `source`."""
    source, target = flat("source", 1 << 20), flat("target", 1 << 20)
    i, j = Var("i", "int32"), Var("j", "int32")
    fill = For(i, 0, size, ForKind.SERIAL, BufferStore(scratch, BufferLoad(source, [i]), [i]))
    more = BufferLoad(scratch, [j]) + const(1.0, "float32")
    use = For(j, 0, size, ForKind.SERIAL, BufferStore(target, more, [j]))
    body: Stmt = DeclBuffer(scratch, SeqStmt((fill, use)))
    body = Allocate(scratch.data, "float32", (size,), True, body)
    return PrimFunc([source.data, target.data, *extra], body)


@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_allocations_small_and_large(size: int) -> None:
    x, y = np.arange(size, dtype=np.float32), np.zeros(size, np.float32)
    func = sum_through(flat("scratch", size), i32(size))
    status = run(func, x, y)
    assert status == (0 if size == 100_000 else None)
    assert np.array_equal(y, x + 1) and live_workspaces() == 0


@pytest.mark.parametrize("size", [0, 1, 9, 1024, 1025, 100_000])
def test_allocations_of_unknown_size(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to 4 KiB lie on the stack."""
    given: list[int] = []

    class Memory(dict[int, Any]):
        def __setitem__(self, key: int, value: Any) -> None:
            given.append(key)
            super().__setitem__(key, value)

    monkeypatch.setattr(native, "_MEMORY", Memory())
    n = Var("n", "int32")
    compiled = Compiled({"kernel": sum_through(flat("scratch", 0), n, (n,))})
    x, y = np.arange(size, dtype=np.float32), np.zeros(size, np.float32)
    assert compiled("kernel", x, y, size) == 0
    assert np.array_equal(y, x + 1) and live_workspaces() == 0
    assert len(given) == (size > 1024)


@pytest.mark.parametrize("asked", [5, 7])
def test_what_a_mask_leaves_out_is_kept_unless_it_is_padding(asked: int) -> None:
    """Of a local buffer whose last vector is incomplete: 5 of 8 lanes are stored."""
    scratch, target = flat("scratch", asked, scope="local"), flat("target", 8)
    n = Broadcast(i32(5), 8)
    first = BufferStore(scratch, const(7.0, "float32"), [i32(asked - 1)])
    masked = BufferStore(scratch, Broadcast(const(1.0, "float32"), 8), [ramp(0, 1, 8)],
                         predicate=ramp(0, 1, 8) < n)  # fmt: skip
    i = Var("i", "int32")
    out = For(i, 0, asked, ForKind.SERIAL, BufferStore(target, BufferLoad(scratch, [i]), [i]))
    body = DeclBuffer(scratch, SeqStmt((first, masked, out)))
    func = PrimFunc([target.data], Allocate(scratch.data, "float32", (asked,), True, body))
    y = np.zeros(8, np.float32)
    assert run(func, y) is None
    assert y[:5].tolist() == [1] * 5 and (asked == 5 or y[6] == 7)
    text = Compiled({"kernel": func}).text
    assert ("select <8 x i1>" in text) == (asked == 7)


def test_an_allocation_that_fails_is_an_error() -> None:
    n = Var("n", "int64")
    scratch = flat("scratch", 0)
    i = Var("i", "int64")
    fill = For(i, 0, n, ForKind.SERIAL, BufferStore(scratch, const(0.0, "float32"), [i]))
    func = PrimFunc([n], Allocate(scratch.data, "float32", (n,), True, fill))
    assert Compiled({"kernel": func})("kernel", 1 << 40) == -1
    assert live_workspaces() == 0


def test_constants_live_in_the_module() -> None:
    data = np.arange(7, dtype=np.int16)
    table = flat("table", 7, "int16")
    target = flat("target", 7, "int16")
    i = Var("i", "int32")
    copy = For(i, 0, 7, ForKind.SERIAL, BufferStore(target, BufferLoad(table, [i]), [i]))
    func = PrimFunc([target.data], AllocateConst(table.data, "int16", (7,), data, copy))
    y = np.zeros(7, np.int16)
    run(func, y)
    assert np.array_equal(y, data)


def micro_kernel(rows: int, vectors: int, k: int) -> PrimFunc:
    """C[rows, 16 vectors] = A[rows, k] B[k, 16 vectors], accumulators in `local` memory."""
    width = 16 * vectors
    a, b, c = flat("a", rows * k), flat("b", k * width), flat("c", rows * width)
    acc = flat("acc", rows * width, scope="local")
    step = Var("k", "int32")
    tiles = [(r, v) for r in range(rows) for v in range(vectors)]

    def at(r: int, v: int) -> list[PrimExpr]:
        return [ramp(r * width + 16 * v, 1, 16)]

    zero = Broadcast(const(0.0, "float32"), 16)
    init = [BufferStore(acc, zero, at(r, v)) for r, v in tiles]
    update = [
        BufferStore(
            acc,
            BufferLoad(acc, at(r, v))
            + Broadcast(BufferLoad(a, [i32(r * k) + step]), 16)
            * BufferLoad(b, [Ramp(step * width + 16 * v, i32(1), 16)]),
            at(r, v),
        )
        for r, v in tiles
    ]
    out = [BufferStore(c, BufferLoad(acc, at(r, v)), at(r, v)) for r, v in tiles]
    body = SeqStmt((*init, For(step, 0, k, ForKind.SERIAL, SeqStmt(tuple(update))), *out))
    whole = Allocate(acc.data, "float32", (rows * width,), True, body)
    return PrimFunc([a.data, b.data, c.data], whole)


@pytest.mark.parametrize(("rows", "vectors"), [(8, 2), (6, 4)])
def test_accumulators_stay_in_registers(rows: int, vectors: int) -> None:
    compiled = Compiled({"kernel": micro_kernel(rows, vectors, 64)})
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((rows, 64), (64, 16 * vectors)))
    c = np.zeros((rows, 16 * vectors), np.float32)
    compiled("kernel", a, b, c)
    assert np.allclose(c, a @ b, atol=1e-5)
    if "zmm" in compiled.asm:
        traffic = [line for line in compiled.asm.splitlines() if "mm" in line and "(%rsp)" in line]
        assert not traffic
        assert compiled.asm.count("vfmadd") == rows * vectors


def unrolled_convolution() -> PrimFunc:
    """Fourteen pixels and two vectors of channels; taps are loops, eight channels are unrolled."""
    image, weight, out = (flat(n, 1 << 18) for n in ("image", "weight", "out"))
    acc = flat("acc", 14 * 32, scope="local")
    f, x, depth, row, tap, half = (Var(n, "int64") for n in "fxdrth")
    y, group = tir.floormod(f, 56), tir.floordiv(f, 56)
    place = depth * 53824 + y * 928 + row * 928 + x * 224 + tap * 16 + half * 8
    part = group * 18432 + depth * 2304 + row * 768 + tap * 256 + half * 128

    def wide(value: int) -> PrimExpr:
        return const(value, "int64")

    def at(base: PrimExpr) -> list[PrimExpr]:
        return [Ramp(base, wide(1), 16)]

    def tile(pixel: int, vector: int) -> list[PrimExpr]:
        return at(wide((pixel + 14 * vector) * 16))

    tiles = [(p, v) for p in range(14) for v in range(2)]
    zero = Broadcast(const(0.0, "float32"), 16)
    update = [
        BufferStore(
            acc,
            BufferLoad(acc, tile(p, v))
            + Broadcast(BufferLoad(image, [place + (p * 16 + c)]), 16)
            * BufferLoad(weight, at(part + (c * 16 + v * 9216))),
            tile(p, v),
        )
        for c in range(8)
        for p, v in tiles
    ]
    loop: Stmt = SeqStmt(tuple(update))
    for var, extent in ((half, 2), (tap, 3), (row, 3), (depth, 4)):
        loop = For(var, 0, extent, ForKind.SERIAL, loop)
    first = [BufferStore(acc, zero, tile(p, v)) for p, v in tiles]
    last = [
        BufferStore(out, BufferLoad(acc, tile(p, v)), at(y * 896 + x * 224 + (p * 16 + v * 50176)))
        for p, v in tiles
    ]
    body: Stmt = Allocate(acc.data, "float32", (14 * 32,), True, SeqStmt((*first, loop, *last)))
    body = For(x, 0, 4, ForKind.SERIAL, body)
    return PrimFunc([image.data, weight.data, out.data], For(f, 0, 112, ForKind.SERIAL, body))


def test_addresses_of_an_unrolled_loop_are_not_spilled() -> None:
    asm = Compiled({"kernel": unrolled_convolution()}).asm
    if "zmm" in asm:
        assert asm.count("vfmadd") == 14 * 2 * 8
        assert asm.count("(%rsp)") < 40  # 1,700 with a pointer for each address


def test_access_with_two_indices_is_refused() -> None:
    buffer = decl_buffer((4, 4), "float32", "matrix")
    func = PrimFunc([buffer.data], BufferStore(buffer, const(0.0, "float32"), [0, 0]))
    with pytest.raises(CompileError, match=r"matrix.*2 indices"):
        emit_module({"kernel": func})


def test_a_variable_outside_its_scope_is_refused() -> None:
    target, loose = flat("target", 4), Var("loose", "int32")
    func = PrimFunc([target.data], BufferStore(target, const(0.0, "float32"), [loose]))
    with pytest.raises(CompileError, match="loose"):
        emit_module({"kernel": func})


def test_parameters_that_may_overlap_are_not_marked() -> None:
    target = Var("target", PointerType(PrimType("float32"), "global"))
    body = tir.Evaluate(i32(0))
    apart = emit_module({"kernel": PrimFunc([target], body)})
    shared = emit_module({"kernel": PrimFunc([target], body, attrs={"tir.noalias": False})})
    assert "noalias" in apart and "noalias" not in shared
