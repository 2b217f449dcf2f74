"""Passes about targets: which function is for what, and the default schedule of GPUs."""

from __future__ import annotations

from typing import Any

import pytest

from tilewright import te
from tilewright.ir import IRModule
from tilewright.script import from_source
from tilewright.support.errors import CompileError
from tilewright.target import Target
from tilewright.tir import transform as T
from tilewright.tir.schedule import Schedule

from .cases import applied, check

TARGET = Target("cuda", host="llvm")


def add(private: bool = True, attrs: str = "") -> str:
    return f"""
    @T.prim_func(private={private})
    def add(a: T.int32, b: T.int32) -> T.int32:
        T.func_attr({{{attrs}}})
        T.ret(a + b)
"""


def module(*functions: str) -> IRModule:
    return from_source("@I.ir_module\nclass M:" + "".join(functions))  # type: ignore[no-any-return]


CALLER = """
    @T.prim_func
    def main():
        HOST
        for bx in T.thread_binding(8, "blockIdx.x"):
            DEVICE
"""
CALL, NOTHING = "T.evaluate(M.add(1, 2))", "T.evaluate(0)"


def target_of(mod: IRModule, name: str) -> Target:
    return Target(mod[name].attrs["target"])


def test_public_functions_get_the_host_too_and_private_ones_do_not() -> None:
    mod = T.BindTarget(TARGET)(module(add(), add(False).replace("def add", "def exposed")))
    assert target_of(mod, "add") == TARGET.without_host()
    assert target_of(mod, "exposed") == TARGET


def test_a_target_that_is_there_stays() -> None:
    mod = module(add(attrs='"target": T.target("llvm")'))
    assert target_of(T.BindTarget(TARGET)(mod), "add") == Target("llvm")


def test_a_public_function_gains_a_host() -> None:
    mod = module(add(False, '"target": T.target("cuda -arch=sm_90")'))
    made = target_of(T.BindTarget(TARGET)(mod), "add")
    assert made.arch == "sm_90" and made.host == Target("llvm")


def test_functions_of_the_host() -> None:
    mod = T.BindTarget(TARGET)(module(add(False, '"tir.is_host_func": True')))
    assert target_of(mod, "add") == Target("llvm", host="llvm")
    assert "tir.is_host_func" not in mod["add"].attrs


def test_private_functions_follow_their_callers() -> None:
    host = module(add(), CALLER.replace("HOST", CALL).replace("DEVICE", NOTHING))
    assert target_of(T.BindTarget(TARGET)(host), "add") == Target("llvm")
    device = module(add(), CALLER.replace("HOST", NOTHING).replace("DEVICE", CALL))
    assert target_of(T.BindTarget(TARGET)(device), "add") == TARGET.without_host()


def test_a_function_called_from_both_sides_is_copied() -> None:
    mod = module(add(), CALLER.replace("HOST", CALL).replace("DEVICE", CALL))
    mod = T.BindTarget(TARGET)(mod)
    assert target_of(mod, "add") == TARGET.without_host()
    assert target_of(mod, "add_host") == Target("llvm")
    assert not set(mod["add"].params) & set(mod["add_host"].params)
    first, loop = mod["main"].body
    assert first.value.op.name_hint == "add_host" and loop.body.value.op.name_hint == "add"


def scheduled(shape: tuple[Any, ...], target: str = "cuda") -> IRModule:
    a = te.placeholder(shape, name="A")
    b = te.compute(shape, lambda *i: a(*i) * 2.0, name="B")
    with Target(target):
        return T.DefaultGPUSchedule()(IRModule({"main": te.create_prim_func([a, b])}))


def threads(mod: IRModule) -> list[tuple[str, int]]:
    sch = Schedule(mod)
    loops = [sch.get(loop) for loop in sch.get_loops(sch.get_block("B"))]
    return [
        (
            loop.thread_binding.thread_tag if loop.thread_binding else "",
            getattr(loop.extent, "value", -1),
        )
        for loop in loops
    ]


def test_default_schedule_of_gpus() -> None:
    assert threads(scheduled((4, 5))) == [("blockIdx.x", 1), ("threadIdx.x", 20)]
    assert threads(scheduled((3, 1000))) == [("blockIdx.x", 3), ("threadIdx.x", 1024)]
    assert threads(scheduled((1024, 1024))) == [
        ("blockIdx.x", 256), ("threadIdx.x", 1024), ("", 4)
    ]  # fmt: skip
    assert threads(scheduled((4, te.size_var("n")))) == [
        ("blockIdx.x", 256), ("threadIdx.x", 1024), ("", -1)
    ]  # fmt: skip


def test_default_schedule_leaves_cpus_and_scheduled_functions_alone() -> None:
    mod = scheduled((4, 5), "llvm")
    assert "tir.is_scheduled" not in mod["main"].attrs
    done = scheduled((4, 5))
    assert done["main"].attrs["tir.is_scheduled"]
    with Target("cuda"):
        assert T.DefaultGPUSchedule()(done)["main"] is done["main"]


def test_reductions_run_within_a_thread() -> None:
    a = te.placeholder((8, 16), name="A")
    k = te.reduce_axis((0, 16), "k")
    b = te.compute((8,), lambda i: te.sum(a[i, k], axis=k), name="B")
    with Target("cuda"):
        mod = T.DefaultGPUSchedule()(IRModule({"main": te.create_prim_func([a, b])}))
    assert threads(mod) == [("blockIdx.x", 1), ("threadIdx.x", 8), ("", 16)]


HOST = """
@T.prim_func
def main(A: T.Buffer((4,), "float32"), B: T.Buffer((4,), "float32")):
    T.func_attr({"target": T.target("cuda")})
    for i in range(4):
        A[i] = B[i]
"""


def test_arrays_of_a_device_are_accessed_by_threads() -> None:
    with pytest.raises(CompileError, match="`A`, `B` is accessed by the host"):
        applied(T.VerifyMemory(), HOST)
    bound = 'T.thread_binding(4, thread="threadIdx.x")'
    launched = HOST.replace("for i in range(4)", 'with T.launch_thread("threadIdx.x", 4) as i')
    for text in (HOST.replace("range(4)", bound), launched, HOST.replace('"cuda"', '"llvm"')):
        check(T.VerifyMemory(), text, text)


ASSERTED = """
@T.prim_func
def main(A: T.Buffer((4,), "float32"), n: T.int32):
    assert n < 4, "n is large"
    A[0] = T.float32(1)
    assert n < 3, "n is large"
    A[1] = T.float32(1)
"""


def test_assertions_are_left_out() -> None:
    after = "".join(line for line in ASSERTED.splitlines(True) if "assert" not in line)
    check(T.SkipAssert(), ASSERTED, after)
    check(T.DisableAssert(), ASSERTED, after, disable_assert=True)
    check(T.DisableAssert(), ASSERTED, ASSERTED)
