"""Compiling keeps nothing: not LLVM's passes, not its modules."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tilewright.codegen.llvm.compile import compile_module

TEXT = """
define float @sum(ptr %a, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %total = phi float [ 0.0, %entry ], [ %more, %loop ]
  %at = getelementptr float, ptr %a, i64 %i
  %value = load float, ptr %at
  %more = fadd float %total, %value
  %next = add i64 %i, 1
  %done = icmp eq i64 %next, %n
  br i1 %done, label %end, label %loop
end:
  ret float %more
}
"""


def resident() -> float:
    """Kilobytes that the process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e3


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_a_module_compiled_often_leaves_no_memory_behind() -> None:
    for _ in range(30):
        compile_module(TEXT, cache=False)
    before = resident()
    for _ in range(200):
        compile_module(TEXT, cache=False)
    assert resident() - before < 200 * 10
