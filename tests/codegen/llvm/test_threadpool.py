"""The thread pool: every task runs once, whatever calls it, from wherever."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tvm_ffi

from tilewright.codegen.llvm.compile import Machine, compile_module
from tilewright.codegen.llvm.jit import JITModule, load_objects, num_threads, set_num_threads
from tilewright.codegen.llvm.vm_support import support_ir

# count(closure): each task adds 1 to closure[task]; nest: each task launches `count` again.
KERNELS = """
declare void @tilewright_parallel_launch(ptr, ptr, i64)
declare ptr @tilewright_workspace_alloc(i64)
declare void @tilewright_workspace_free(ptr)

define internal void @count_body(i64 %task, i64 %tasks, ptr %counts) {
  %slot = getelementptr i64, ptr %counts, i64 %task
  %old = atomicrmw add ptr %slot, i64 1 monotonic
  ret void
}
define internal void @nest_body(i64 %task, i64 %tasks, ptr %counts) {
  call void @tilewright_parallel_launch(ptr @count_body, ptr %counts, i64 4)
  ret void
}
define internal void @share_body(i64 %task, i64 %tasks, ptr %sums) {
  %slot = getelementptr i64, ptr %sums, i64 %task
  store i64 %tasks, ptr %slot
  ret void
}
define void @count(ptr %counts, i64 %hint, i64 %repeats) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  call void @tilewright_parallel_launch(ptr @count_body, ptr %counts, i64 %hint)
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %repeats
  br i1 %more, label %loop, label %end
end:
  ret void
}
define void @nest(ptr %counts, i64 %hint, i64 %repeats) {
  call void @tilewright_parallel_launch(ptr @nest_body, ptr %counts, i64 %hint)
  ret void
}
define void @share(ptr %counts, i64 %hint, i64 %repeats) {
  call void @tilewright_parallel_launch(ptr @share_body, ptr %counts, i64 %hint)
  ret void
}
define ptr @take(i64 %bytes) {
  %block = call ptr @tilewright_workspace_alloc(i64 %bytes)
  ret ptr %block
}
define void @give(ptr %block) {
  call void @tilewright_workspace_free(ptr %block)
  ret void
}
"""


@pytest.fixture(scope="module")
def module() -> JITModule:
    return load_objects([compile_module(KERNELS)])


@pytest.fixture(autouse=True)
def default_threads() -> Iterator[None]:
    yield
    set_num_threads(0)


def run(module: JITModule, name: str, hint: int, repeats: int = 1) -> np.ndarray:
    counts = np.zeros(512, np.int64)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    function(module.address(name))(counts.ctypes.data, hint, repeats)
    return counts


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_every_task_runs_once_in_each_launch(module: JITModule, threads: int) -> None:
    set_num_threads(threads)
    counts = run(module, "count", 0, 300)
    assert counts[:threads].tolist() == [300] * threads
    assert not counts[threads:].any()


def test_the_hint_bounds_the_tasks(module: JITModule) -> None:
    set_num_threads(4)
    assert run(module, "share", 3)[:4].tolist() == [3, 3, 3, 0]
    assert run(module, "share", 100)[:5].tolist() == [4, 4, 4, 4, 0]
    assert run(module, "share", 1)[:2].tolist() == [1, 0]


def test_a_launch_inside_a_task_runs_serially(module: JITModule) -> None:
    set_num_threads(4)
    counts = run(module, "nest", 4)
    assert counts[0] == 4  # each of 4 tasks ran the inner body once, as its only task
    assert not counts[1:].any()


def test_a_thread_that_starts_workers_keeps_its_signals(module: JITModule) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    set_num_threads(20)  # more than any other test starts
    run(module, "count", 0)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_launches_from_many_threads(module: JITModule) -> None:
    set_num_threads(3)
    totals: list[int] = []

    def work() -> None:
        counts = run(module, "count", 2, 500)
        totals.append(int(counts[0]) * 10_000 + int(counts[1]))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(totals) == 8
    assert all(total // 10_000 == 500 and total % 10_000 <= 500 for total in totals)


def test_workers_sleep_when_there_is_nothing_to_do(module: JITModule) -> None:
    set_num_threads(4)
    run(module, "count", 0)
    time.sleep(0.01)
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.05
    assert run(module, "count", 0)[:4].tolist() == [1] * 4


def test_a_forked_child_starts_its_own_workers(module: JITModule) -> None:
    set_num_threads(3)
    run(module, "count", 0, 10)
    child = os.fork()
    if child == 0:
        counts = run(module, "count", 0, 100)
        os._exit(0 if counts[:3].tolist() == [100] * 3 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert run(module, "count", 0)[:3].tolist() == [1] * 3


def test_forks_while_another_thread_launches(module: JITModule) -> None:
    set_num_threads(3)
    stop = threading.Event()

    def launch_for_ever() -> None:
        while not stop.is_set():
            run(module, "count", 0, 50)

    thread = threading.Thread(target=launch_for_ever)
    thread.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is the point
            for _ in range(20):
                child = os.fork()
                if child == 0:
                    os._exit(0 if run(module, "count", 0, 20)[:3].tolist() == [20] * 3 else 1)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        thread.join()


EXIT = """
import ctypes
from tests.codegen.llvm.test_threadpool import KERNELS, run
from tilewright.codegen.llvm import compile, jit
module = jit.load_objects([compile.compile_module(KERNELS)])
jit.set_num_threads(4)
print(run(module, "count", 0)[:4].sum())
"""


def test_a_process_ends_cleanly_while_workers_spin() -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "TILEWRIGHT_SPIN_MICROSECONDS": "10000000",
    }
    for _ in range(3):
        result = subprocess.run(
            [sys.executable, "-c", EXIT], env=environment, capture_output=True, text=True,
            timeout=20,
        )  # fmt: skip
        assert (result.returncode, result.stdout, result.stderr) == (0, "4\n", "")


def test_number_of_threads_is_set_and_read_by_global_functions() -> None:
    tvm_ffi.get_global_func("tilewright.set_num_threads")(5)
    assert num_threads() == 5
    set_num_threads(2)
    assert tvm_ffi.get_global_func("tilewright.num_threads")() == 2
    set_num_threads(100_000)
    assert num_threads() == 256
    set_num_threads(-3)
    assert num_threads() >= 1


def cores() -> int:
    """The cores of the processors that this process may use, within the limit of its container."""
    mine = os.sched_getaffinity(0)
    found = set()
    for cpu in mine:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        first = int(re.match(r"\d+", path.read_text())[0]) if path.exists() else cpu
        found.add(first if first in mine else cpu)
    limit = Path("/sys/fs/cgroup/cpu.max")
    quota, period = limit.read_text().split() if limit.exists() else ("max", "1")
    return len(found) if quota == "max" else min(len(found), -(-int(quota) // int(period)))


CORES = cores()
SET_EARLY = """
from tilewright.runtime import num_threads, set_num_threads
set_num_threads(7)
before = num_threads()
from tilewright.codegen.llvm import jit
print(before, jit.num_threads(), num_threads())
set_num_threads(4)
print(jit.num_threads())
"""


@pytest.mark.parametrize(
    ("variable", "code", "expected"),
    [
        ("", "from tilewright.codegen.llvm import jit; print(jit.num_threads())", str(CORES)),
        ("3", "from tilewright.codegen.llvm import jit; print(jit.num_threads())", "3"),
        ("0", "from tilewright.codegen.llvm import jit; print(jit.num_threads())", str(CORES)),
        ("2", SET_EARLY, "7 7 7 4"),
    ],
)
def test_the_default_comes_from_the_environment(variable: str, code: str, expected: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TILEWRIGHT_NUM_THREADS"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[3])
    if variable:
        environment["TILEWRIGHT_NUM_THREADS"] = variable
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == expected.split()


def test_workspace_blocks_are_aligned_distinct_and_reused(module: JITModule) -> None:
    take = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int64)(module.address("take"))
    give = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(module.address("give"))
    blocks = [take(size) for size in (0, 1, 100, 100_000, 3_000_000)]
    assert all(block % 64 == 0 for block in blocks)
    assert len(set(blocks)) == 5
    for block in blocks:
        give(block)
    assert take(100_000) == blocks[3]
    give(blocks[3])
    assert take(-1) is None
    assert take(1 << 60) is None


@pytest.mark.parametrize(
    "triple",
    ["aarch64-unknown-linux-gnu", "riscv64-unknown-linux-gnu", "arm64-apple-macosx13",
     "x86_64-unknown-linux-musl"],
)  # fmt: skip
def test_it_compiles_for_other_targets(triple: str) -> None:
    features = "+m,+a,+f,+d,+c" if triple.startswith("riscv") else ""
    assert compile_module(support_ir(triple), Machine(triple, features=features))
