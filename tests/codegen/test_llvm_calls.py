"""Calls from compiled code: C symbols, functions of the module, packed functions, tensors."""

from __future__ import annotations

import ctypes
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tvm_ffi

from tilewright import tir
from tilewright.codegen.llvm.codegen import emit_module, failing_functions
from tilewright.codegen.llvm.modules import call_groups, emit_modules
from tilewright.ir.expr import GlobalVar
from tilewright.ir.type import PrimType
from tilewright.support.errors import CompileError
from tilewright.target.codegen import llvm_lookup_intrinsic_id
from tilewright.target.machine import model_of
from tilewright.tir import (
    AssertStmt,
    Buffer,
    BufferLoad,
    BufferStore,
    Call,
    Evaluate,
    LetStmt,
    PrimExpr,
    PrimFunc,
    Ramp,
    SeqStmt,
    Stmt,
    StringImm,
    Var,
    call_extern,
    call_packed,
    const,
    decl_buffer,
)

from .native import Compiled, run

SEEN: list[Any] = []


@tvm_ffi.register_global_func("tilewright.test.note", override=True)
def note(*args: Any) -> Any:
    """Keeps its arguments; answers with the first."""
    SEEN.append(args)
    return args[0] if args else None


@tvm_ffi.register_global_func("tilewright.test.fail", override=True)
def fail() -> None:
    raise KeyError("on purpose")


@tvm_ffi.register_global_func("tilewright.test.object", override=True)
def give_object() -> Any:
    return tvm_ffi.convert([1, 2, 3])


@tvm_ffi.register_global_func("tilewright.test.double", override=True)
def double(x: Any, y: Any) -> None:
    assert x.shape == (2, 2) and str(x.dtype) == "float32"
    source, target = ((ctypes.c_float * 4).from_address(t.data_ptr()) for t in (x, y))
    for i in range(4):
        target[i] = source[i] * 2


def i32(value: int) -> PrimExpr:
    return const(value, "int32")


def packed(body: Stmt, name: str = "main") -> Any:
    """A function of the packed calling convention with this body."""
    params = [Var("self", "handle"), Var("args", "handle"), Var("n", "int32"), Var("out", "handle")]
    done = Evaluate(Call("int32", "tir.ret", (i32(0),)))
    func = PrimFunc(params, SeqStmt((body, done)), PrimType("int32"))
    compiled = Compiled({f"__tvm_ffi_{name}": func})
    return compiled.module[name]


def test_c_functions_are_called_by_symbol() -> None:
    a = decl_buffer((4,), "float64", "a")
    call = call_extern("float64", "hypot", BufferLoad(a, [0]), BufferLoad(a, [1]))
    x = np.array([3.0, 4.0, 0.0, 0.0])
    run(PrimFunc([a.data], BufferStore(a, call, [2])), x)
    assert x[2] == 5.0


def test_addresses_of_elements_are_passed() -> None:
    a, b = decl_buffer((8,), "float32", "a"), decl_buffer((8,), "float32", "b")
    source = Call("handle", "tir.address_of", (BufferLoad(a, [i32(2)]),))
    pointer = Call("handle", "tir.tvm_access_ptr",
                   (Call("float32", "tir.undef", ()), b.data, i32(1), i32(4), i32(2)))  # fmt: skip
    call = call_extern("handle", "memcpy", pointer, source, const(16, "int64"))
    x, y = np.arange(8, dtype=np.float32), np.zeros(8, np.float32)
    run(PrimFunc([a.data, b.data], Evaluate(call)), x, y)
    assert list(y) == [0, 2, 3, 4, 5, 0, 0, 0]


@pytest.mark.parametrize("by_symbol", [True, False])
def test_functions_of_a_module_call_each_other(by_symbol: bool) -> None:
    a = decl_buffer((1,), "int32", "a")
    n = Var("n", "int32")
    inner = PrimFunc([a.data, n], BufferStore(a, n * 2, [0]))
    b, m = decl_buffer((1,), "int32", "b"), Var("m", "int32")
    target = StringImm("inner") if by_symbol else GlobalVar("inner")
    call = (Call("int32", "tir.call_extern", (target, b.data, m + 1)) if by_symbol
            else Call("int32", target, (b.data, m + 1)))  # fmt: skip
    outer = PrimFunc([b.data, m], Evaluate(call))
    compiled = Compiled({"outer": outer, "inner": inner})
    y = np.zeros(1, np.int32)
    compiled("outer", y, 20)
    assert y[0] == 42


def test_a_failure_passes_through_callers() -> None:
    n, m = Var("n", "int32"), Var("m", "int32")
    inner = PrimFunc([n], AssertStmt(n > 0, StringImm("TypeError: bad"), Evaluate(i32(0))))
    call = Call("int32", "tir.call_extern", (StringImm("inner"), m))
    never = Evaluate(call_packed("tilewright.test.note", m))
    outer = PrimFunc([m], SeqStmt((Evaluate(call), never)))
    compiled = Compiled({"outer": outer, "inner": inner})
    SEEN.clear()
    assert compiled("outer", -1) == -1 and SEEN == []
    assert compiled("outer", 7) == 0 and SEEN == [(7,)]


def test_callers_of_what_can_fail_can_fail() -> None:
    n = Var("n", "int32")
    check = PrimFunc([n], AssertStmt(n > 0, StringImm("bad"), Evaluate(i32(0))))

    def calling(name: str) -> PrimFunc:
        return PrimFunc([n], Evaluate(Call("int32", GlobalVar(name), (n,))))

    functions = {"top": calling("middle"), "middle": calling("check"), "check": check,
                 "other": calling("sin")}  # fmt: skip
    assert failing_functions(functions) == {"top", "middle", "check"}
    del functions["other"]
    compiled = Compiled(functions)
    status = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32)(compiled.address("top"))
    assert status(-1) == -1 and status(1) == 0


def test_a_packed_call_inside_arithmetic_can_fail() -> None:
    a = decl_buffer((1,), "int32", "a")
    inner = Call("int32", "tir.tvm_call_packed", (StringImm("tilewright.test.note"), i32(20)))
    func = PrimFunc([a.data], BufferStore(a, inner * 2 + 2, [0]))
    y = np.zeros(1, np.int32)
    assert run(func, y) == 0 and y[0] == 42


def test_packed_arguments_keep_their_kinds() -> None:
    SEEN.clear()
    call = call_packed("tilewright.test.note", i32(-5), const(2.5, "float32"), "text",
                       const(1, "bool"), const(1 << 40, "int64"))  # fmt: skip
    main = packed(Evaluate(call))
    main()
    main()
    assert SEEN == [(-5, 2.5, "text", True, 1 << 40)] * 2


def test_the_result_of_a_packed_call_is_used() -> None:
    SEEN.clear()
    inner = Call("int32", "tir.tvm_call_packed", (StringImm("tilewright.test.note"), i32(20)))
    n = Var("n", "int32")
    body = LetStmt(n, inner, Evaluate(call_packed("tilewright.test.note", n * 2 + 2)))
    packed(body)()
    assert SEEN == [(20,), (42,)]


def test_objects_that_nobody_takes_are_given_back() -> None:
    packed(Evaluate(call_packed("tilewright.test.object")))()


def test_errors_of_packed_functions_reach_the_caller() -> None:
    SEEN.clear()
    body = SeqStmt((Evaluate(call_packed("tilewright.test.fail")),
                    Evaluate(call_packed("tilewright.test.note"))))  # fmt: skip
    with pytest.raises(KeyError, match="on purpose"):
        packed(body)()
    assert SEEN == []
    with pytest.raises(ValueError, match="nobody"):
        packed(Evaluate(call_packed("tilewright.test.nobody")))()


def struct_get(dtype: str, base: PrimExpr, index: int, kind: int) -> PrimExpr:
    return Call(dtype, "tir.tvm_struct_get", (base, i32(index), i32(kind)))


def test_fields_of_tensors_are_read() -> None:
    """The packed function sees data, rank, dtype, shape and device of a tensor."""
    args = Var("args", "handle")
    params = [Var("self", "handle"), args, Var("n", "int32"), Var("out", "handle")]
    handle, tensor = Var("object", "handle"), Var("tensor", "handle")
    shape = decl_buffer((2,), "int64", "shape")
    facts = [
        struct_get("int32", tensor, 0, 4), struct_get("uint8", tensor, 0, 5),
        struct_get("uint8", tensor, 0, 6), struct_get("uint16", tensor, 0, 7),
        struct_get("int32", tensor, 0, 10), struct_get("int32", tensor, 0, 9),
        struct_get("uint64", tensor, 0, 8), BufferLoad(shape, [i32(1)]),
        struct_get("int32", args, 0, 13),
    ]  # fmt: skip
    body: Stmt = SeqStmt((Evaluate(call_packed("tilewright.test.note", *facts)),
                          Evaluate(Call("int32", "tir.ret", (i32(0),)))))  # fmt: skip
    body = LetStmt(shape.data, struct_get("handle", tensor, 0, 2), body)
    offset = Call("handle", "tir.handle_add_byte_offset", (handle, i32(24)))
    body = LetStmt(tensor, offset, body)
    body = LetStmt(handle, struct_get("handle", args, 0, 14), body)
    compiled = Compiled({"__tvm_ffi_f": PrimFunc(params, body, PrimType("int32"))})
    SEEN.clear()
    array = tvm_ffi.from_dlpack(np.zeros((3, 5), np.float32))
    compiled.module["f"](array)
    assert SEEN == [(2, 2, 32, 1, 1, 0, 0, 5, 70)]


@pytest.mark.parametrize("lowered", [False, True])
def test_tensors_are_made_on_the_stack(lowered: bool) -> None:
    a, b = decl_buffer((6,), "float32", "a"), decl_buffer((6,), "float32", "b")
    shape = Call("handle", "tir.tvm_stack_make_shape", (const(2, "int64"), const(2, "int64")))

    def tensor(data: Var) -> PrimExpr:
        return Call("handle", "tir.tvm_stack_make_array",
                    (data, shape, i32(0), i32(2), const(0.0, "float32"), i32(2)))  # fmt: skip

    body: Stmt
    if lowered:
        stack = Var("stack", "handle")
        x, y = Var("x", "handle"), Var("y", "handle")
        sets = [
            Evaluate(Call("int32", "tir.tvm_struct_set", (stack, i32(n), i32(kind), value)))
            for n, v in enumerate((x, y))
            for kind, value in ((13, i32(7)), (15, i32(0)), (14, v))
        ]
        call = Call("int32", "tir.tvm_call_packed_lowered",
                    (StringImm("tilewright.test.double"), stack, i32(0), i32(2)))  # fmt: skip
        body = SeqStmt((*sets, Evaluate(call)))
        body = LetStmt(x, tensor(a.data), LetStmt(y, tensor(b.data), body))
        room = Call("handle", "tir.tvm_stack_alloca", (StringImm("tvm_ffi_any"), i32(3)))
        body = LetStmt(stack, room, body)
    else:
        body = Evaluate(call_packed("tilewright.test.double", tensor(a.data), tensor(b.data)))
    p, q = np.arange(6, dtype=np.float32), np.zeros(6, np.float32)
    assert run(PrimFunc([a.data, b.data], body), p, q) == 0
    assert list(q) == [0, 0, 4, 6, 8, 10]


def test_null_pointers_are_seen() -> None:
    a, p = decl_buffer((1,), "int32", "a"), Var("p", "handle")
    value = tir.cast(Call("bool", "tir.isnullptr", (p,)), "int32")
    compiled = Compiled({"kernel": PrimFunc([a.data, p], BufferStore(a, value, [0]))})
    y = np.zeros(1, np.int32)
    for pointer, expected in ((0, 1), (y.ctypes.data, 0)):
        compiled("kernel", y, pointer)
        assert y[0] == expected


def test_prefetch_and_llvm_intrinsics() -> None:
    number = llvm_lookup_intrinsic_id("llvm.fabs")
    a = decl_buffer((4,), "float32", "a")
    hint = Call("int32", "tir.prefetch", (BufferLoad(a, [i32(0)]), i32(0), i32(3), i32(1)))
    value = Call("float32", "tir.call_llvm_pure_intrin",
                 (StringImm("llvm.sqrt"), BufferLoad(a, [i32(0)])))  # fmt: skip
    size = Call("float32", "tir.call_llvm_pure_intrin",
                (const(number, "uint32"), BufferLoad(a, [i32(2)])))  # fmt: skip
    y = np.array([9, 0, -7, 0], np.float32)
    stores = (BufferStore(a, value, [1]), BufferStore(a, size, [3]))
    run(PrimFunc([a.data], SeqStmt((Evaluate(hint), *stores))), y)
    assert list(y) == [9, 3, -7, 7]


def test_an_unknown_intrinsic_is_an_error() -> None:
    with pytest.raises(CompileError, match=r"tir\.mma_fill"):
        emit_module({"kernel": PrimFunc([], Evaluate(Call("int32", "tir.mma_fill", ())))})


def test_functions_are_grouped_by_their_calls() -> None:
    n = Var("n", "int32")

    def calling(*names: str) -> PrimFunc:
        calls = [Evaluate(Call("int32", GlobalVar(name), (n,))) for name in names]
        done = Evaluate(i32(0))
        return PrimFunc([n], SeqStmt((*calls, done)) if calls else done)

    functions = {"a": calling("d"), "b": calling(), "c": calling("sin"), "d": calling("c")}
    assert call_groups(functions) == [["a", "c", "d"], ["b"]]
    texts = emit_modules(functions)
    assert ["@a(" in t for t in texts] == [True, False]
    assert "define void @b(" in texts[1] and "define void @d(" in texts[0]


def has(*features: str) -> bool:
    return model_of({}).has(*features)


@pytest.mark.skipif(not has("avx512vnni"), reason="the processor has no VNNI")
def test_dot_products_of_bytes() -> None:
    acc, a, b = (decl_buffer((n,), d, d) for n, d in ((16, "int32"), (64, "uint8"), (64, "int8")))

    def load(buffer: Buffer, lanes: int) -> PrimExpr:
        return BufferLoad(buffer, [Ramp(i32(0), i32(1), lanes)])

    name = StringImm("llvm.x86.avx512.vpdpbusd.512")
    dot = Call("int32x16", "tir.call_llvm_pure_intrin",
               (name, load(acc, 16), load(a, 64), load(b, 64)))  # fmt: skip
    store = BufferStore(acc, dot, [Ramp(i32(0), i32(1), 16)])
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, 64).astype(np.uint8), rng.integers(-128, 128, 64).astype(np.int8)
    out = np.arange(16, dtype=np.int32)
    run(PrimFunc([acc.data, a.data, b.data], store), out, x, y)
    products = (x.astype(np.int32) * y).reshape(16, 4).sum(1)
    assert np.array_equal(out, np.arange(16) + products)


@pytest.mark.skipif(not has("avx512bf16"), reason="the processor has no dot product of bfloat16")
def test_dot_products_of_bfloat16() -> None:
    acc = decl_buffer((16,), "float32", "acc")
    a, b = (decl_buffer((32,), "bfloat16", n) for n in "ab")
    whole = Ramp(i32(0), i32(1), 32)
    name = StringImm("llvm.x86.avx512bf16.dpbf16ps.512")
    where = [Ramp(i32(0), i32(1), 16)]
    args = (name, BufferLoad(acc, where), BufferLoad(a, [whole]), BufferLoad(b, [whole]))
    store = BufferStore(acc, Call("float32x16", "tir.call_llvm_pure_intrin", args), where)
    x, y = (np.arange(32).astype(ml_dtypes.bfloat16) - n for n in (3, 9))
    out = np.zeros(16, np.float32)
    compiled = Compiled({"kernel": PrimFunc([acc.data, a.data, b.data], store)})
    compiled("kernel", out, x, y)
    expected = (x.astype(np.float32) * y.astype(np.float32)).reshape(16, 2).sum(1)
    assert np.array_equal(out, expected)
    assert "vdpbf16ps" in compiled.asm and "vpsrld" not in compiled.asm
