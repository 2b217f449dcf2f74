"""Compiled executables: what the interpreter answers, and the errors that it gives."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tvm_ffi

from tests.codegen.llvm.kernels import executable, function
from tilewright.codegen.llvm.vm_registers import classify
from tilewright.runtime.executable import (
    AllocStorage,
    AllocTensor,
    BindDim,
    BindScalar,
    CallClosure,
    CallFunction,
    CallKernel,
    CallPacked,
    CheckShape,
    CheckTensor,
    CheckTuple,
    Const,
    DimOp,
    Executable,
    GetItem,
    Goto,
    If,
    Imm,
    Instruction,
    KillReg,
    MakeClosure,
    MakeShape,
    MakeTuple,
    Move,
    NewTensor,
    Reg,
    Ret,
    SetSlot,
    Slot,
)
from tilewright.runtime.ndarray import tensor
from tilewright.runtime.vm.machine import VirtualMachine
from tilewright.support.errors import ArgumentError, CompileError, RuntimeFailure

N, M = Slot(0), Slot(1)


def plain(value: Any) -> Any:
    """Tensors as NumPy arrays, containers as lists."""
    if isinstance(value, tvm_ffi.Tensor):
        return np.from_dlpack(value)
    if isinstance(value, (tvm_ffi.Array, tuple, list)):
        return [plain(item) for item in value]
    return value


def answers(exe: Executable, *args: Any) -> list[Any]:
    """What each executor returns, or the text of the error that it raises."""
    found = []
    for executor in ("native", "interpreter"):
        try:
            found.append(plain(VirtualMachine(exe, executor=executor)["main"](*args)))
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


def agreed(exe: Executable, *args: Any) -> Any:
    """The answer of both executors."""
    native, interpreted = answers(exe, *args)
    assert not (isinstance(native, str) and "Error" in native), native
    np.testing.assert_equal(native, interpreted)
    return native


def floats(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


# x + w twice over, the intermediate in the arena; n is symbolic.
TWICE: list[Instruction] = [
    CheckTensor(Reg(0), "float32", 2, (BindDim(N), 4), "x"),
    CheckTensor(Reg(1), "float32", 2, (N, 4), "w"),
    AllocStorage(2, DimOp("mul", N, 16)),
    AllocTensor(3, 2, 0, (N, 4), "float32"),
    CallKernel("add", (Reg(0), Reg(1), Reg(3)), (DimOp("mul", N, 4),)),
    NewTensor(4, (N, 4), "float32"),
    CallKernel("add", (Reg(3), Reg(1), Reg(4)), (DimOp("mul", N, 4),)),
    KillReg(3),
    Ret(Reg(4)),
]


@pytest.fixture(scope="module")
def twice() -> Executable:
    return executable(function("x w", TWICE, slots=("n",)))


@pytest.mark.parametrize("n", [0, 1, 3, 100, 2])
def test_kernels_arena_and_symbolic_dimensions(twice: Executable, n: int) -> None:
    x, w = floats(n, 4), floats(n, 4) + 1
    assert np.array_equal(agreed(twice, x, w), x + w + w)


def test_results_are_aligned_and_outlive_the_module() -> None:
    exe = executable(function("x w", TWICE, slots=("n",)))
    result = VirtualMachine(exe, executor="native")["main"](floats(3, 4), floats(3, 4))
    exe.native = exe.kernels = None
    gc.collect()
    assert result.data_ptr() % 64 == 0
    assert np.array_equal(np.from_dlpack(result), 3 * floats(3, 4))


MISFITS = {
    "float32 expected": lambda: (floats(2, 4).astype("float64"), floats(2, 4)),
    "rank": lambda: (floats(4), floats(2, 4)),
    "fixed dimension": lambda: (floats(2, 5), floats(2, 4)),
    "symbolic dimension": lambda: (floats(2, 4), floats(3, 4)),
    "vector": lambda: (floats(2, 4), floats(8)),
    "too few": lambda: (floats(2, 4),),
    "too many": lambda: (floats(2, 4),) * 3,
}


@pytest.mark.parametrize("case", MISFITS)
def test_both_executors_refuse_in_the_same_words(twice: Executable, case: str) -> None:
    native, interpreted = answers(twice, *MISFITS[case]())
    assert native.startswith("ArgumentError: main")
    assert native == interpreted


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (tensor(floats(2, 8)).view_numpy()[:, ::2], r"strides \(8, 2\)"),
        (np.zeros(36, np.uint8)[1:33].view(np.float32).reshape(2, 4), "misaligned"),
        ("text", "found str"),
        (3, "found int"),
        (None, "found None"),
        (tvm_ffi.Shape((2, 4)), "found a shape"),
    ],
)
def test_what_a_kernel_cannot_take_is_refused(
    twice: Executable, argument: Any, message: str
) -> None:
    if isinstance(argument, np.ndarray):
        argument = tvm_ffi.from_dlpack(argument)
    assert twice.native is not None
    with pytest.raises(ArgumentError, match=f"main: w: expected a float32 tensor.*{message}"):
        twice.native["main"](floats(2, 4), argument)


def test_strides_of_empty_and_single_dimensions_do_not_matter(twice: Executable) -> None:
    row = np.lib.stride_tricks.as_strided(floats(4), (1, 4), (1000, 4))
    assert twice.native is not None
    result = twice.native["main"](tvm_ffi.from_dlpack(row), floats(1, 4))
    assert np.array_equal(np.from_dlpack(result), floats(1, 4) * 3)


def test_dimension_arithmetic_is_python_s() -> None:
    ops = ("add", "sub", "mul", "floordiv", "floormod", "min", "max", "eq", "ne", "lt", "le", "gt",
           "ge", "and", "or")  # fmt: skip
    code: list[Instruction] = [BindScalar(N, Reg(0)), BindScalar(M, Reg(1))]
    code += [MakeShape(2, tuple(DimOp(op, N, M) for op in ops)), Ret(Reg(2))]
    exe = executable(function("a b", code, slots=("n", "m")))
    for a in (-7, -1, 0, 3, 8):
        for b in (-3, -1, 1, 2, 8):
            got = agreed(exe, a, b)
            assert got[3:5] == [a // b, a % b]
    for answer in answers(exe, 1, 0):
        assert "Error" in answer
    assert exe.native is not None
    with pytest.raises(ArgumentError, match="divided by zero"):
        exe.native["main"](1, 0)


def test_a_dimension_bound_twice_must_agree_with_itself() -> None:
    dims = (BindDim(N), N, DimOp("mul", N, 2))
    exe = executable(
        function("x", [CheckTensor(Reg(0), "int8", 3, dims, "x"), Ret(Reg(0))], slots=("n",))
    )
    assert agreed(exe, np.zeros((3, 3, 6), np.int8)).shape == (3, 3, 6)
    native, interpreted = answers(exe, np.zeros((3, 3, 5), np.int8))
    assert native == interpreted
    assert "dimension 2 should be 6, found 5" in native


def test_tuples_go_in_and_come_out() -> None:
    code: list[Instruction] = [
        CheckTuple(Reg(0), 2, "pair"), GetItem(1, Reg(0), 0), GetItem(2, Reg(0), 1),
        CheckTensor(Reg(1), "float32", 1, (4,), "pair[0]"), NewTensor(3, (4,), "float32"),
        CallKernel("add", (Reg(1), Reg(2), Reg(3)), (4,)),
        MakeTuple(4, (Reg(3), Imm(7), Imm(2.5), Imm("seven"), Imm(None), Imm(True))),
        MakeTuple(5, (Reg(4), Reg(0))), Ret(Reg(5)),
    ]  # fmt: skip
    exe = executable(function("pair", code))
    (total, *rest), pair = agreed(exe, (floats(4), floats(4)))
    assert np.array_equal(total, 2 * floats(4))
    assert rest == [7, 2.5, "seven", None, True]
    assert len(pair) == 2
    assert exe.native is not None
    for bad, message in (((1,), "tuple of 2, found one of 1"), (1, "tuple of 2, found int")):
        with pytest.raises(ArgumentError, match=f"main: pair: expected a {message}"):
            exe.native["main"](bad)
    with pytest.raises(ArgumentError, match="expected a tensor, found int"):
        exe.native["main"]((floats(4), 3))


def test_shapes_are_bound_and_made() -> None:
    code: list[Instruction] = [
        CheckShape(Reg(0), (BindDim(N), 3, None), "s"), SetSlot(M, DimOp("mul", N, 5)),
        MakeShape(1, (M, N, 9)), Ret(Reg(1)),
    ]  # fmt: skip
    exe = executable(function("s", code, slots=("n", "m")))
    assert agreed(exe, tvm_ffi.Shape((4, 3, 8))) == [20, 4, 9]
    for bad in (tvm_ffi.Shape((4, 2, 8)), tvm_ffi.Shape((4, 3))):
        native, interpreted = answers(exe, bad)
        assert native == interpreted
        assert native.startswith("ArgumentError: main: s: expected a shape (n, 3, any), found the")


@pytest.mark.parametrize("condition", [True, False, 1, 0, np.array(True), np.array(False)])
def test_branches(condition: Any) -> None:
    code: list[Instruction] = [
        NewTensor(3, (4,), "float32"), If(Reg(1), 4),
        CallKernel("scale", (Reg(0), Reg(3)), (4, Imm(2.0)), ("int32", "float32")), Goto(5),
        CallKernel("scale", (Reg(0), Reg(3)), (4, Imm(3.0)), ("int32", "float32")), Ret(Reg(3)),
    ]  # fmt: skip
    exe = executable(function("x c", code))
    assert np.array_equal(agreed(exe, floats(4), condition), floats(4) * (2 if condition else 3))


def test_a_loop_gives_back_what_each_round_takes() -> None:
    code: list[Instruction] = [
        BindScalar(N, Reg(1)), Move(2, Reg(0)), If(DimOp("gt", N, 0), 9),
        AllocStorage(3, 16), AllocTensor(4, 3, 0, (4,), "float32"),
        CallKernel("scale", (Reg(2), Reg(4)), (4, Imm(2.0)), ("int32", "float32")),
        Move(2, Reg(4)), SetSlot(N, DimOp("sub", N, 1)), Goto(2), Ret(Reg(2)),
    ]  # fmt: skip
    exe = executable(function("x n", code, slots=("n",)))
    assert np.array_equal(agreed(exe, floats(4), 5), floats(4) * 32)
    assert np.array_equal(agreed(exe, floats(4), 0), floats(4))


def test_functions_closures_and_recursion() -> None:
    half = function(
        "x y",
        [NewTensor(2, (4,), "float32"), CallKernel("add", (Reg(0), Reg(1), Reg(2)), (4,)),
         Ret(Reg(2))],
        name="sum",
    )  # fmt: skip
    main = function(
        "x",
        [CallFunction("sum", (Reg(0), Reg(0)), Reg(1)), MakeClosure(2, "sum", (Reg(1),)),
         CallClosure(Reg(3), Reg(2), (Reg(0),)), MakeTuple(4, (Reg(3), Reg(2))), Ret(Reg(4))],
    )  # fmt: skip
    exe = executable(main, half)
    assert exe.native is not None
    result, closure = exe.native["main"](floats(4))
    exe.native = exe.kernels = None
    gc.collect()
    assert np.array_equal(np.from_dlpack(result), floats(4) * 3)
    again = closure(tensor(floats(4) * 10))  # the closure keeps the code and what it captured
    assert np.array_equal(np.from_dlpack(again), floats(4) * 12)


def test_packed_functions_see_tensors_and_their_errors_come_through() -> None:
    seen = []

    def probe(x: Any, *rest: Any) -> Any:
        seen.append((plain(x), *rest))
        if rest[0] == 13:
            raise KeyError("unlucky")
        return x

    tvm_ffi.register_global_func("test.native.probe", probe, override=True)
    code: list[Instruction] = [
        BindScalar(N, Reg(1)), AllocStorage(2, 16), AllocTensor(3, 2, 0, (4,), "float32"),
        CallKernel("scale", (Reg(0), Reg(3)), (4, Imm(2.0)), ("int32", "float32")),
        CallPacked("test.native.probe", (Reg(3), N, Imm("a"), Imm(0.5), Imm(None)), Reg(4)),
        Ret(Reg(4)),
    ]  # fmt: skip
    exe = executable(function("x n", code, slots=("n",)))
    assert np.array_equal(agreed(exe, floats(4), 3), floats(4) * 2)
    assert seen[0][1:] == (3, "a", 0.5, None)
    with pytest.raises(KeyError, match="unlucky"):
        assert exe.native is not None
        exe.native["main"](floats(4), 13)


def test_an_unknown_global_function_is_named() -> None:
    exe = executable(function("", [CallPacked("test.no.such", (), Reg(0)), Ret(Reg(0))]))
    assert exe.native is not None
    with pytest.raises(ArgumentError, match=r"global function `test\.no\.such` is not registered"):
        exe.native["main"]()


def test_a_kernel_that_fails_raises_its_error() -> None:
    exe = executable(
        function("x", [NewTensor(1, (4,), "int8"), CallKernel("fail", (Reg(0),)), Ret(Reg(1))])
    )
    assert exe.native is not None
    with pytest.raises(RuntimeFailure, match="the kernel failed"):
        exe.native["main"](floats(4))


def test_errors_name_the_nodes_that_they_come_from() -> None:
    check = CheckTensor(Reg(0), "float32", 1, (4,), "x", span="ONNX node 'input'")
    code: list[Instruction] = [
        check, MakeShape(1, (2, 3), span="node a"),
        CallPacked("vm.builtin.reshape", (Reg(0), Reg(1)), Reg(2), span="ONNX node 'r' (Reshape)"),
        Ret(Reg(2)),
    ]  # fmt: skip
    exe = executable(function("x", code))
    for argument in (floats(4), floats(5), floats(4).astype("int8")):
        native, interpreted = answers(exe, argument)
        assert "\n  --> ONNX node '" in native
        assert native == interpreted
    inner = function("x", code, name="inner")
    outer = [CallFunction("inner", (Reg(0),), Reg(1), span="outer node"), Ret(Reg(1))]
    native, interpreted = answers(executable(function("x", outer), inner), floats(4))
    assert native == interpreted
    assert native.count("-->") == 1


def test_errors_of_others_are_left_alone() -> None:
    def fail() -> None:
        raise OverflowError("too much")

    tvm_ffi.register_global_func("test.native.fail", fail, override=True)
    code = [CallPacked("test.native.fail", (), Reg(0), span="a node"), Ret(Reg(0))]
    native, interpreted = answers(executable(function("", code)))
    assert native == interpreted == "OverflowError: too much"


def test_constants_are_shared_not_copied() -> None:
    weights = tensor(floats(4))
    code: list[Instruction] = [
        NewTensor(1, (4,), "float32"), CallKernel("add", (Reg(0), Const(0), Reg(1)), (4,)),
        MakeTuple(2, (Reg(1), Const(0))), Ret(Reg(2)),
    ]  # fmt: skip
    exe = executable(function("x", code), constants=(weights,))
    total, same = agreed(exe, floats(4))
    assert np.array_equal(total, floats(4) * 2)
    assert same.ctypes.data == weights.data_ptr()


def reshaped(source: int) -> CallPacked:
    return CallPacked("vm.builtin.reshape", (Reg(source), Reg(2)), Reg(3))


RESHAPES: dict[str, tuple[list[Instruction], tuple[int, ...]]] = {
    "parameter": ([
        MakeShape(2, (DimOp("mul", N, 4),)), reshaped(0),
        NewTensor(4, (DimOp("mul", N, 4),), "float32"),
        CallKernel("add", (Reg(3), Reg(0), Reg(4)), (DimOp("mul", N, 4),)), Ret(Reg(4)),
    ], (12,)),
    "arena": ([
        AllocStorage(5, DimOp("mul", N, 16)), AllocTensor(6, 5, 0, (N, 4), "float32"),
        CallKernel("add", (Reg(0), Reg(0), Reg(6)), (DimOp("mul", N, 4),)),
        MakeShape(2, (2, DimOp("mul", N, 2))),
        reshaped(6), Ret(Reg(3)),
    ], (2, 6)),
    "local": ([
        AllocStorage(5, DimOp("mul", N, 16)), AllocTensor(6, 5, 0, (N, 4), "float32"),
        CallKernel("add", (Reg(0), Reg(0), Reg(6)), (DimOp("mul", N, 4),)), MakeShape(2, (2, 2, N)),
        reshaped(6), NewTensor(4, (N, 4), "float32"),
        CallKernel("scale", (Reg(3), Reg(4)), (12, Imm(1.0)), ("int32", "float32")), Ret(Reg(4)),
    ], (3, 4)),
}  # fmt: skip


@pytest.mark.parametrize("case", RESHAPES)
def test_reshape(case: str) -> None:
    code, shape = RESHAPES[case]
    check = CheckTensor(Reg(0), "float32", 2, (BindDim(N), 4), "x")
    exe = executable(function("x", [check, *code], slots=("n",)))
    assert np.array_equal(agreed(exe, floats(3, 4)), 2 * floats(3, 4).reshape(shape))


def test_a_reshape_of_another_size_is_refused() -> None:
    code: list[Instruction] = [
        CheckTensor(Reg(0), "float32", 1, (BindDim(N),), "x"), MakeShape(1, (2, 3)),
        CallPacked("vm.builtin.reshape", (Reg(0), Reg(1)), Reg(2)), NewTensor(3, (6,), "float32"),
        CallKernel("add", (Reg(2), Reg(2), Reg(3)), (6,)), Ret(Reg(3)),
    ]  # fmt: skip
    exe = executable(function("x", code, slots=("n",)))
    assert np.array_equal(agreed(exe, floats(6)), floats(6) * 2)
    assert exe.native is not None
    with pytest.raises(ArgumentError, match=r"reshape: cannot view.* as \(2, 3\)"):
        exe.native["main"](floats(7))


BUILTINS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "shape_of": ("vm.builtin.shape_of", (floats(2, 3),)),
    "reshape by a tuple": ("vm.builtin.reshape", (floats(2, 3), tvm_ffi.Shape((3, 2)))),
    "reshape with an unknown": ("vm.builtin.reshape", (floats(2, 3), tvm_ffi.Shape((-1,)))),
    "tensor_to_shape": ("vm.builtin.tensor_to_shape", (np.array([2, 5]),)),
    "tensor_to_shape int32": ("vm.builtin.tensor_to_shape", (np.array([2, 5], np.int32),)),
    "shape_to_tensor": ("relax.run.shape_to_tensor", (tvm_ffi.Shape((2, 5)),)),
    "copy": ("vm.builtin.copy", (floats(3),)),
    "null_value": ("vm.builtin.null_value", ()),
    "make_tuple": ("vm.builtin.make_tuple", (floats(3), 4)),
    "tuple_getitem": ("vm.builtin.tuple_getitem", ((1, floats(2)), 1)),
    "read_if_cond": ("vm.builtin.read_if_cond", (np.array(True),)),
    "tensor_copy": ("vm.builtin.tensor_copy", (floats(3),)),
    "to_device": ("vm.builtin.to_device", (floats(3), 0)),
    "assert": ("relax.run.assert_op", (True, "no")),
}


@pytest.mark.parametrize("case", BUILTINS)
def test_builtins(case: str) -> None:
    name, args = BUILTINS[case]
    params = " ".join(f"p{i}" for i in range(len(args)))
    call = CallPacked(name, tuple(map(Reg, range(len(args)))), Reg(9))
    agreed(executable(function(params, [call, Ret(Reg(9))])), *args)


LENT: list[Instruction] = [
    CheckTensor(Reg(0), "float32", 1, (BindDim(N),), "x"), AllocStorage(1, 4096),
    AllocTensor(2, 1, 0, (N,), "float32"), AllocTensor(3, 1, 1024, (), "bool"),
    AllocTensor(4, 1, 2048, (2,), "int64"), CallKernel("positive", (Reg(0), Reg(3))),
    CallKernel("scale", (Reg(0), Reg(2)), (N, Imm(2.0)), ("int32", "float32")),
    CallPacked("vm.builtin.shape_of", (Reg(2),), Reg(5)),
    CallPacked("relax.run.assert_op", (Reg(3), Imm("x[0] is {}"), Reg(2)), None), If(Reg(3), 12),
    CallPacked("vm.builtin.tensor_copy", (Reg(2),), Reg(6)), Goto(13), Move(6, Reg(0)),
    MakeTuple(7, (Reg(5), Reg(6))), Ret(Reg(7)),
]  # fmt: skip


def test_tensors_of_the_arena_are_lent_to_those_who_only_look() -> None:
    exe = executable(function("x", LENT, slots=("n",)))
    assert not classify(exe.functions["main"], exe).boxed & {1, 2, 3}
    shape, doubled = agreed(exe, floats(3) + 1)
    assert list(shape) == [3]
    assert np.array_equal(doubled, 2 * (floats(3) + 1))
    native, interpreted = answers(exe, floats(3))
    assert native == interpreted == "AssertionError: x[0] is [0. 2. 4.]"


def test_storage_stays_while_tensors_lie_in_it() -> None:
    code: list[Instruction] = [
        AllocStorage(1, 128), AllocTensor(2, 1, 0, (4,), "float32"),
        AllocTensor(3, 1, 64, (4,), "float32"), KillReg(1),
        CallKernel("add", (Reg(0), Reg(0), Reg(2)), (4,)),
        CallKernel("add", (Reg(2), Reg(0), Reg(3)), (4,)), MakeTuple(4, (Reg(3),)), Ret(Reg(4)),
    ]  # fmt: skip
    exe = executable(function("x", code))
    registers = classify(exe.functions["main"], exe)
    assert 2 in registers.local
    assert 3 in registers.boxed
    assert registers.lenders == {1}
    assert np.array_equal(agreed(exe, floats(4))[0], floats(4) * 3)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("vm.builtin.shape_of", (1,)),
        ("vm.builtin.reshape", (floats(2, 3), tvm_ffi.Shape((4,)))),
        ("vm.builtin.reshape", (1, tvm_ffi.Shape((4,)))),
        ("vm.builtin.reshape", (floats(1), "shape")),
        ("vm.builtin.tensor_to_shape", (floats(2),)),
        ("vm.builtin.tuple_getitem", ((1,), 1)),
        ("vm.builtin.tuple_getitem", (1, 0)),
        ("vm.builtin.read_if_cond", (floats(2),)),
        ("relax.run.shape_to_tensor", (1,)),
    ],
)
def test_builtins_refuse_what_they_cannot_take(name: str, args: tuple[Any, ...]) -> None:
    params = " ".join(f"p{i}" for i in range(len(args)))
    call = CallPacked(name, tuple(map(Reg, range(len(args)))), Reg(9))
    exe = executable(function(params, [call, Ret(Reg(9))]))
    assert exe.native is not None
    with pytest.raises(ArgumentError):
        exe.native["main"](*args)


@pytest.mark.parametrize("dims", [(-1, 4), (1 << 40, 1 << 40)])
def test_impossible_tensors_are_errors(dims: tuple[int, int]) -> None:
    code: list[Instruction] = [
        BindScalar(N, Reg(0)), BindScalar(M, Reg(1)), NewTensor(2, (N, M), "float32"), Ret(Reg(2)),
    ]  # fmt: skip
    exe = executable(function("a b", code, slots=("n", "m")))
    assert exe.native is not None
    with pytest.raises(ArgumentError, match="cannot make a tensor of shape"):
        exe.native["main"](*dims)
    with pytest.raises(MemoryError, match="cannot allocate a tensor of"):
        exe.native["main"](1 << 30, 1 << 26)


def test_another_device_needs_the_interpreter() -> None:
    with pytest.raises(CompileError, match="native functions run on the host, found device 1"):
        executable(function("", [NewTensor(0, (1,), "int8", device_index=1), Ret(Reg(0))]))


def test_many_threads_each_have_an_arena(twice: Executable) -> None:
    assert twice.native is not None
    main = twice.native["main"]
    wrong: list[int] = []

    def work(seed: int) -> None:
        for i in range(200):
            x = np.full((1 + (i * seed) % 50, 4), seed, np.float32)
            if not np.array_equal(np.from_dlpack(main(x, x)), 3 * x):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def resident_kilobytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def test_calls_and_errors_leak_nothing(twice: Executable) -> None:
    assert twice.native is not None
    main = twice.native["main"]
    x = tvm_ffi.from_dlpack(floats(200, 4))

    def calls() -> None:
        for _ in range(20_000):
            main(x, x)
        for _ in range(2_000):
            with pytest.raises(ArgumentError):
                main(x, 1)

    calls()
    before = resident_kilobytes()
    calls()
    assert resident_kilobytes() - before < 1000


def test_modules_give_back_arenas_constants_and_functions() -> None:
    tvm_ffi.register_global_func("test.native.nothing", lambda: None, override=True)
    code: list[Instruction] = [
        CallPacked("test.native.nothing", (), None), AllocStorage(1, 4_000_000),
        AllocTensor(2, 1, 0, (1_000_000,), "float32"), NewTensor(3, (4,), "float32"),
        CallKernel("add", (Const(0), Const(0), Reg(2)), (1_000_000,)),
        CallKernel("add", (Reg(2), Reg(2), Reg(3)), (4,)), Ret(Reg(3)),
    ]  # fmt: skip

    def cycle() -> None:
        exe = executable(function("", code), constants=(tensor(floats(1_000_000)),))
        assert exe.native is not None
        assert np.from_dlpack(exe.native["main"]())[3] == 12

    for _ in range(5):
        cycle()
    before = resident_kilobytes()
    for _ in range(30):
        cycle()
    assert resident_kilobytes() - before < 6000
