"""Targets without threads of a device refuse loops that are bound to them, by name."""

import pytest

import tilewright
from tilewright.script import from_source
from tilewright.support.errors import CompileError

HEAD = '@T.prim_func\ndef kernel(A: T.Buffer((64,), "float32")):\n'
BOUND = {
    "a loop": (
        '    for i in T.thread_binding(64, thread="threadIdx.x"):\n        A[i] = 1.0\n', "i",
    ),
    "a launch": ('    with T.launch_thread("blockIdx.x", 64) as b:\n        A[b] = 1.0\n', "b"),
    "a virtual thread": (
        '    for v in T.thread_binding(64, thread="vthread.x"):\n        A[v] = 1.0\n', "v",
    ),
    "a block": (
        '    for i in T.thread_binding(64, thread="threadIdx.x"):\n'
        '        with T.block("fill"):\n'
        "            vi = T.axis.spatial(64, i)\n"
        "            A[vi] = 1.0\n", "i",
    ),
}  # fmt: skip


@pytest.mark.parametrize("target", ["llvm", "c"])
@pytest.mark.parametrize("case", BOUND)
def test_bound_loops_are_refused(case: str, target: str) -> None:
    text, name = BOUND[case]
    with pytest.raises(CompileError, match=f"`{name}` of `kernel` runs in threads of a device"):
        tilewright.build(from_source(HEAD + text), target=target)
