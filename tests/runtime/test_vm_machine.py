"""What a virtual machine keeps and tells: state, native code, instruments, threads, memory."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tilewright.runtime import (
    Executable,
    FunctionModule,
    NativeModule,
    Tensor,
    VirtualMachine,
    VMInstrumentReturnKind,
    cpu,
    tensor,
)
from tilewright.runtime.executable import (
    BindDim,
    CheckTensor,
    Imm,
    MakeTuple,
    NewTensor,
    Reg,
    Ret,
)
from tilewright.support.errors import ArgumentError

from .machines import F32, N, X, function, machine, read_only, two_layers

# ---- state, saved functions, questions ---------------------------------------------------------


def test_inputs_kept_by_the_machine(kernels: NativeModule) -> None:
    vm = machine(kernels, two_layers())
    with pytest.raises(ArgumentError, match="no inputs are set for 'main'"):
        vm.invoke_stateful("main")
    x = X.copy()
    vm.set_input("main", x, w=X)
    x[:] = -1
    with pytest.raises(ArgumentError, match="has no outputs yet"):
        vm.get_outputs("main")
    vm.invoke_stateful("main")
    assert vm.get_outputs("main").numpy().tolist() == [0, 3, 6, 9]
    with pytest.raises(ArgumentError, match="no parameter z"):
        vm.set_input("main", X, z=X)
    result = vm.time_evaluator("invoke_stateful", cpu(0), number=2, repeat=3)("main")
    assert len(result.results) == 3


def test_tuples_come_out_as_tuples() -> None:
    vm = machine(None, function("main", "x", MakeTuple(1, (Reg(0), Imm(2))), Ret(1)))
    vm.set_input("main", X)
    vm.invoke_stateful("main")
    outputs = vm.get_outputs("main")
    assert type(outputs) is tuple and outputs[1] == 2


def test_saved_functions(vm: VirtualMachine) -> None:
    vm.save_function("main", "saved", X, X)
    vm.save_function("main", "saved_silent", X, w=X, include_return=False)
    assert vm["saved"]().numpy().tolist() == [0, 3, 6, 9]
    assert vm["saved_silent"]() is None
    assert vm.module["saved"]().numpy().tolist() == [0, 3, 6, 9]
    with pytest.raises(ArgumentError, match="'main' is taken"):
        vm.save_function("main", "main", X, X)


def test_questions(vm: VirtualMachine) -> None:
    assert vm.get_function_arity("main") == 2
    assert vm.get_function_param_name("main", 1) == "w"
    assert vm.get_function_params("main") == ("x", "w")
    with pytest.raises(ArgumentError, match="none is number 2"):
        vm.get_function_param_name("main", 2)


def test_what_is_no_program_is_refused(kernels: NativeModule) -> None:
    with pytest.raises(ArgumentError, match="expects an Executable or a Module, found int"):
        VirtualMachine(3)
    with pytest.raises(ArgumentError, match="unknown executor 'turbo'"):
        machine(kernels, two_layers(), executor="turbo")
    with pytest.raises(ArgumentError, match="no native code"):
        machine(kernels, two_layers(), executor="native")
    with pytest.raises(ArgumentError, match="unknown allocator 'magic'"):
        machine(kernels, two_layers(), memory_cfg="magic")
    with pytest.raises(ArgumentError, match="metal:0 is not available"):
        VirtualMachine(Executable({}), "metal")


# ---- native code -------------------------------------------------------------------------------


def test_native_code_is_used_unless_steps_are_needed(kernels: NativeModule) -> None:
    calls: list[str] = []

    def native_main(x: Tensor, w: Tensor) -> Tensor:
        calls.append("native")
        return tensor(x.numpy() * 2 + w.numpy())

    executable = Executable({"main": two_layers()}, [], kernels)
    executable.native = FunctionModule({"main": native_main})
    vm = VirtualMachine(executable)
    bound = vm["main"]
    assert bound(X, w=read_only(X)).numpy().tolist() == [0, 3, 6, 9] and calls == ["native"]
    assert VirtualMachine(executable, executor="interpreter")["main"](X, X).numpy()[1] == 3
    vm.profile("main", X, X)
    vm.set_instrument(lambda *args: 0)
    bound(X, X)
    vm["main"](X, X)
    assert calls == ["native"]
    vm.set_instrument(None)
    vm["main"](X, X)
    assert calls == ["native"] * 2


def test_a_library_without_a_table_runs_natively(kernels: NativeModule) -> None:
    vm = VirtualMachine(kernels)
    assert vm["seven"]() == 7
    with pytest.raises(ArgumentError, match="no function 'eight'"):
        vm["eight"]
    with pytest.raises(ArgumentError, match="parameters of 'seven' are not known"):
        vm.set_input("seven")


# ---- instruments and profiles ------------------------------------------------------------------


def test_instruments_see_every_call_and_can_skip(kernels: NativeModule) -> None:
    seen: list[tuple[str, bool, int]] = []

    def instrument(func: Any, name: str, before_run: bool, value: Any, *args: Any) -> int:
        seen.append((name, before_run, len(args)))
        if before_run and name == "scale":
            args[1][:] = 7
            return VMInstrumentReturnKind.SKIP_RUN
        return VMInstrumentReturnKind.NO_OP

    vm = machine(kernels, two_layers())
    vm.set_instrument(instrument)
    assert vm["main"](X, X).numpy().tolist() == [7, 8, 9, 10]
    assert seen == [("scale", True, 4), ("scale", False, 4), ("add", True, 4), ("add", False, 4)]
    no_function: Any = 3
    with pytest.raises(ArgumentError, match="an instrument is a function, found int"):
        vm.set_instrument(no_function)


def test_profiles_have_a_row_a_call(vm: VirtualMachine) -> None:
    report = vm.profile("main", X, X)
    assert [(r["Name"], r["Span"]) for r in report.calls] == [("scale", "conv1"), ("add", "add1")]
    assert report.calls[0]["Argument Shapes"] == "float32[4], float32[4], 4, 2.0"
    total = report.device_metrics["cpu:0"]["Duration (us)"]
    assert 0 < report.total_us() <= total
    assert sum(r["Percent"] for r in report.calls) == pytest.approx(100 * report.total_us() / total)


# ---- threads and memory ------------------------------------------------------------------------


def test_threads_share_a_machine(vm: VirtualMachine) -> None:
    wrong: list[Any] = []

    def work(seed: int) -> None:
        x = np.full(64, seed, F32)
        for _ in range(100):
            if not np.all(vm["main"](x, x).numpy() == 3 * seed):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_hundred_thousand_calls_leave_memory_where_it_was(kernels: NativeModule) -> None:
    small = function(
        "main", "x", CheckTensor(0, F32, 1, (BindDim(0),), "x"), NewTensor(1, (N,), F32), Ret(1)
    )
    call = machine(kernels, small)["main"]
    x = tensor(X)
    for _ in range(100):
        call(x)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(1000):
        call(x)
        vm_error(call)
    gc.collect()  # tracebacks hold cycles
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    resident = _resident()
    for _ in range(100_000):
        call(x)
    assert grown < 100_000
    assert _resident() - resident < 4 << 20


def vm_error(call: Callable[..., Any]) -> None:
    with pytest.raises(ArgumentError):
        call(1)


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_machines_are_freed(kernels: NativeModule) -> None:
    import weakref

    vm = machine(kernels, two_layers(), constants=[tensor(np.zeros(10))])
    vm["main"](X, X)
    vm.module["main"](X, X)
    vm.save_function("main", "again", X, X)
    interpreter = weakref.ref(vm._interpreter)
    del vm
    gc.collect()
    assert interpreter() is None
