"""The virtual machine: hand-made programs over small compiled kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilewright.ffi as ffi
from tilewright.runtime import (
    FunctionModule,
    NativeModule,
    Tensor,
    VirtualMachine,
    cpu,
    empty,
    from_dlpack,
    tensor,
)
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
    GetItem,
    Goto,
    If,
    Imm,
    MakeClosure,
    MakeShape,
    MakeTuple,
    NewTensor,
    Reg,
    Ret,
    SetSlot,
)
from tilewright.support.errors import ArgumentError, RuntimeFailure

from .machines import F32, M, N, X, function, machine, read_only, two_layers

# ---- calling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 4, 1000])
def test_kernels_run_on_planned_memory(vm: VirtualMachine, n: int) -> None:
    x = np.arange(n, dtype=F32)
    out = vm["main"](x, x)
    assert type(out) is Tensor
    np.testing.assert_array_equal(out.numpy(), 3 * x)


@pytest.mark.parametrize(
    "convert",
    [
        tensor,
        from_dlpack,
        np.asarray,
        read_only,
        lambda x: np.repeat(x, 2)[::2],
        lambda x: x.astype(">f4"),
        lambda x: np.frombuffer(b"\0" + x.tobytes(), F32, len(x), 1),
    ],
    ids=["tensor", "dlpack", "numpy", "read-only", "strided", "big-endian", "misaligned"],
)
def test_any_kind_of_array_is_an_argument(
    vm: VirtualMachine, convert: Callable[[np.ndarray], Any]
) -> None:
    assert vm["main"](convert(X.copy()), convert(X.copy())).numpy().tolist() == [0, 3, 6, 9]


def test_arguments_by_name(vm: VirtualMachine) -> None:
    assert vm["main"](w=X, x=10 * X).numpy().tolist() == [0, 21, 42, 63]
    assert vm["main"](X, w=X).numpy().tolist() == [0, 3, 6, 9]


@pytest.mark.parametrize(
    ("args", "named", "message"),
    [
        ((X,), {}, r"main takes 2 arguments \(x, w\), 1 given"),
        ((X, X, X), {}, "main takes 2 arguments"),
        ((X,), {"y": X}, r"(?s)no parameter y.*its parameters are x, w"),
        ((X,), {"x": X}, "x given by position and by name"),
        ((), {"w": X}, "no value for x"),
        ((X, X[:2]), {}, r"(?s)w: expected a float32 tensor of shape \(n,\).*found a float32 "
                         r"tensor of shape \(2,\).*dimension 0 should be 4, found 2"),
        ((X.astype("float64"), X), {}, r"x: expected a float32 tensor.*found a float64 tensor"),
        ((X.reshape(2, 2), X), {}, r"x: expected .* of shape \(n,\), found .* of shape \(2, 2\)"),
        ((3, X), {}, "x: expected a float32 tensor of shape .*, found int 3"),
        (([X], X), {}, "x: expected .* found tuple of 1"),
        ((None, X), {}, "x: expected .* found NoneType None"),
        ((object, X), {}, "x: expected .* found type"),
    ],
)  # fmt: skip
def test_wrong_arguments(
    vm: VirtualMachine, args: tuple[Any, ...], named: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        vm["main"](*args, **named)
    assert vm["main"](X, X).numpy().tolist() == [0, 3, 6, 9]


def test_tensors_that_kernels_cannot_read(vm: VirtualMachine) -> None:
    strided = from_dlpack(np.repeat(X, 2)[::2])
    with pytest.raises(ArgumentError, match=r"(?s)strides \(2,\).*tensor\(x\)"):
        vm["main"](strided, X)
    odd = tensor(np.zeros(32, "uint8"))._create_view((4,), F32, 1)
    with pytest.raises(ArgumentError, match="misaligned"):
        vm["main"](odd, X)


def test_unknown_functions(vm: VirtualMachine) -> None:
    with pytest.raises(ArgumentError, match=r"(?s)no function 'mian'.*it has main"):
        vm["mian"]


def test_the_result_is_not_the_arena(vm: VirtualMachine) -> None:
    first = vm["main"](X, X)
    second = vm["main"](10 * X, X)
    assert first.numpy().tolist() == [0, 3, 6, 9]
    assert second.numpy().tolist() == [0, 21, 42, 63]


# ---- instructions ------------------------------------------------------------------------------


def test_tuples_shapes_and_nested_results() -> None:
    vm = machine(
        None,
        function(
            "main",
            "pair",
            CheckTuple(0, 2, "pair"),
            GetItem(1, 0, 0),
            CheckTensor(1, None, 2, (BindDim(0), BindDim(1)), "pair.0"),
            GetItem(2, 0, 1),
            CheckShape(2, (M, DimOp("mul", N, 2)), "pair.1"),
            MakeShape(3, (DimOp("add", N, M), DimOp("floordiv", N, 2))),
            MakeTuple(4, (Reg(3), Imm(1.5))),
            MakeTuple(5, (Reg(1), Reg(4), Imm("text"))),
            Ret(5),
        ),
    )
    x = np.zeros((2, 3), "int8")
    out = vm["main"]([x, (3, 4)])
    assert isinstance(out, ffi.Array) and len(out) == 3
    assert isinstance(out[1][0], ffi.Shape) and out[1][0] == (5, 1) and out[1][1] == 1.5
    assert vm["main"]((tensor(x), ffi.Shape((3, 4))))[2] == "text"
    for bad, message in [
        ([x], "pair: expected a tuple of 2, found a tuple of 1"),
        (x, "pair: expected a tuple of 2, found a int8 tensor"),
        ([x, (3, 5)], r"(?s)pair.1: expected a shape \(m, n \* 2\).*dimension 1 should be 4"),
        ([x, (3,)], r"pair.1: expected a shape .*, found the shape \(3,\)"),
        ([x, x], "pair.1: expected a shape"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            vm["main"](bad)


def test_scalars_and_dimension_arithmetic() -> None:
    ops = ("add", "sub", "mul", "floordiv", "floormod", "min", "max", "eq", "ne", "lt", "le",
           "gt", "ge", "and", "or")  # fmt: skip
    vm = machine(
        None,
        function(
            "main",
            "a b",
            BindScalar(0, 0, "a"),
            BindScalar(1, 1, "b"),
            SetSlot(2, DimOp("sub", N, M)),
            *[MakeTuple(2 + i, (DimOp(op, N, M),)) for i, op in enumerate(ops)],
            MakeTuple(0, tuple(Reg(2 + i) for i in range(len(ops)))),
            Ret(0),
            registers=20,
        ),
    )
    got = [item[0] for item in vm["main"](-7, 2)]
    assert got == [-5, -9, -14, -4, 1, -7, 2, 0, 1, 1, 1, 0, 0, 1, 1]
    assert vm["main"](np.int64(-7), np.array(2))[0][0] == -5
    with pytest.raises(ArgumentError, match=r"a: expected an integer, found float 1\.5"):
        vm["main"](1.5, 2)
    with pytest.raises(ArgumentError, match="a dimension is divided by zero"):
        vm["main"](1, 0)


def test_a_dimension_bound_twice_must_agree_with_itself() -> None:
    check = CheckTensor(0, None, 2, (BindDim(0), BindDim(0)), "x")
    vm = machine(None, function("main", "x", check, Ret(Reg(0))))
    assert vm["main"](np.zeros((3, 3))).shape == (3, 3)
    with pytest.raises(ArgumentError, match="dimension 1 should be 3, found 4"):
        vm["main"](np.zeros((3, 4)))


def test_memory_need_not_be_pooled(kernels: NativeModule) -> None:
    vm = machine(kernels, two_layers(), memory_cfg={cpu(0): "naive"})
    assert vm["main"](X, X).numpy().tolist() == [0, 3, 6, 9]


def test_branches_and_loops(kernels: NativeModule) -> None:
    """Doubles x until the count is used up; an odd count returns the input itself."""
    vm = machine(
        kernels,
        function(
            "main",
            "x count flag",
            CheckTensor(0, F32, 1, (BindDim(0),), "x"),
            BindScalar(1, 1, "count"),
            If(Reg(2), 9),
            If(DimOp("gt", M, 0), 8),
            NewTensor(3, (N,), F32),
            CallKernel("scale", (Reg(0), Reg(3)), (N, Imm(2.0)), ("int64", F32)),
            SetSlot(1, DimOp("sub", M, 1)),
            Goto(10),
            Ret(Reg(0)),
            Ret(Imm(None)),
            CallFunction("main", (Reg(3), M, Reg(2)), Reg(5)),
            Ret(Reg(5)),
        ),
    )
    assert vm["main"](X, 3, True).numpy().tolist() == (8 * X).tolist()
    assert vm["main"](X, 0, np.array(True)).numpy().tolist() == X.tolist()
    assert vm["main"](X, 3, tensor(np.array(False))) is None


def test_closures_capture_and_can_be_returned(kernels: NativeModule) -> None:
    vm = machine(
        kernels,
        function(
            "main",
            "w",
            CheckTensor(0, F32, 1, (BindDim(0),), "w"),
            MakeClosure(1, "body", (Reg(0),)),
            CallClosure(2, 1, (Reg(0),)),
            MakeTuple(3, (Reg(1), Reg(2))),
            Ret(3),
        ),
        two_layers("body"),
    )
    closure, value = vm["main"](X)
    assert value.numpy().tolist() == (3 * X).tolist()
    assert vm.invoke_closure(closure, 10 * X).numpy().tolist() == (21 * X).tolist()
    with pytest.raises(ArgumentError, match="body takes 2 arguments"):
        vm.invoke_closure(closure)
    with pytest.raises(ArgumentError, match="expected a closure, found int"):
        vm.invoke_closure(3)


def test_constants_are_shared_but_not_given_away(kernels: NativeModule) -> None:
    weight = tensor(X)
    vm = machine(
        kernels,
        function(
            "main",
            "x",
            CheckTensor(0, F32, 1, (4,), "x"),
            NewTensor(1, (4,), F32),
            CallKernel("add", (Reg(0), Const(0), Reg(1)), (4,)),
            Ret(1),
        ),
        function("weight", "", Ret(Const(0))),
        constants=[weight],
    )
    vm["weight"]()[:] = 100
    assert vm["main"](X).numpy().tolist() == (2 * X).tolist()
    with pytest.raises(ArgumentError, match=r"(?s)shape \(4,\).*dimension 0 should be 4, found 3"):
        vm["main"](X[:3])


def test_packed_functions_of_the_module_come_first() -> None:
    ffi.register_func("test.vm.packed", lambda x: "global", override=True)
    body = (CallPacked("test.vm.packed", (Reg(0),), Reg(1)), Ret(1))
    assert machine(None, function("main", "x", *body))["main"](1) == "global"
    own = FunctionModule({"test.vm.packed": lambda x: f"module {x}"})
    assert machine(own, function("main", "x", *body))["main"](1) == "module 1"
    ffi.remove_global_func("test.vm.packed")
    with pytest.raises(RuntimeFailure, match=r"(?s)test.vm.packed.*register_func"):
        machine(None, function("main", "x", *body))["main"](1)


def test_packed_kernels_stand_in_for_bare_ones() -> None:
    def scale(x: Tensor, y: Tensor, n: int, factor: float) -> None:
        y.copyfrom(x.numpy() * factor)

    def add(a: Tensor, b: Tensor, out: Tensor, n: int) -> None:
        out.copyfrom(a.numpy() + b.numpy())

    vm = machine(FunctionModule({"scale": scale, "add": add}), two_layers())
    assert vm["main"](X, X).numpy().tolist() == [0, 3, 6, 9]


def test_a_module_imported_by_the_kernels_is_searched(kernels: NativeModule) -> None:
    outer = FunctionModule({})
    outer.import_module(kernels)
    assert machine(outer, two_layers())["main"](X, X).numpy().tolist() == [0, 3, 6, 9]


def test_missing_kernels_are_named() -> None:
    with pytest.raises(RuntimeFailure, match="no kernel 'scale'"):
        machine(FunctionModule({}), two_layers())["main"](X, X)
    with pytest.raises(RuntimeFailure, match="has no kernels, but calls 'scale'"):
        machine(None, two_layers())["main"](X, X)


# ---- errors ------------------------------------------------------------------------------------


def test_an_error_names_the_models_node() -> None:
    def fail(*args: Any) -> None:
        raise RuntimeFailure("it broke")

    vm = machine(FunctionModule({"scale": fail, "add": fail}), two_layers())
    with pytest.raises(RuntimeFailure, match=r"(?s)it broke.*--> conv1"):
        vm["main"](X, X)


def test_a_kernel_with_a_status_raises_its_error(kernels: NativeModule) -> None:
    main = function(
        "main",
        "x",
        CheckTensor(0, F32, 1, (BindDim(0),), "x"),
        CallKernel("check_positive", (Reg(0),), span="relu3"),
        Ret(Reg(0)),
    )
    vm = machine(kernels, main, attrs={"failing_kernels": ["check_positive"]})
    with pytest.raises(ArgumentError, match=r"(?s)bad argument, says jit.*--> relu3"):
        vm["main"](-1 - X)
    assert vm["main"](X + 1).numpy()[0] == 1


def test_errors_cross_compiled_code(kernels: NativeModule) -> None:
    with pytest.raises(ArgumentError, match="bad argument, says jit"):
        kernels["fail"]()

    def raise_here(x: int) -> None:
        raise ArgumentError(f"from Python with {x}", hint="try again")

    with pytest.raises(ArgumentError, match=r"(?s)from Python with 5.*hint: try again"):
        kernels["apply"](raise_here, 5)
    assert kernels["apply"](lambda x: x * 2, 21) == 42


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_tensors_lent_by_compiled_code_can_be_read_and_copied(
    kernels: NativeModule, dtype: str
) -> None:
    lent = empty((3,), dtype)
    lent[:] = [1, 2, 3]

    def use(x: Tensor) -> Any:
        assert (x.shape, x.dtype) == ((3,), dtype)
        x[0] = 9
        copies = [x.numpy(), tensor(x).numpy(), x.copyto(cpu(0)).numpy()]
        if dtype == "float32":
            copies += [np.from_dlpack(x), np.from_dlpack(x, copy=True)]
            assert [c.flags.writeable for c in copies[-2:]] == [False, True]
            with pytest.raises(BufferError, match="as a copy only"):
                x.__dlpack__(copy=False)
        assert all(c.tolist() == [9, 2, 3] for c in copies)
        return tensor(x)

    assert kernels["lend"](use, lent).numpy().tolist() == [9, 2, 3]
    assert lent.numpy()[0] == 9


def test_a_kernel_refuses_what_is_no_tensor(kernels: NativeModule) -> None:
    call = CallKernel("scale", (Reg(0), Reg(0)), (1, Imm(2.0)), ("int64", F32), span="relu")
    vm = machine(kernels, function("main", "x", call, Ret(Reg(0))))
    with pytest.raises(ArgumentError, match=r"(?s)needs a tensor, found int 3.*--> relu"):
        vm["main"](3)


def test_storage_that_is_too_small_is_noticed() -> None:
    bad = (AllocStorage(0, 64), AllocTensor(1, 0, 32, (16,), F32), Ret(1))
    with pytest.raises(ArgumentError, match="does not fit into the 64 bytes"):
        machine(None, function("main", "", *bad))["main"]()
