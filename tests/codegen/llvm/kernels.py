"""Kernels in LLVM IR for tests, and executables made of them."""

from __future__ import annotations

from typing import Any

from tilewright.codegen.llvm.compile import compile_module
from tilewright.codegen.llvm.native_module import load_executable
from tilewright.runtime.executable import Executable, Instruction, VMFunction
from tilewright.runtime.ndarray import Tensor

# add(a, b, c, n): c = a + b; scale(a, c, n, factor): c = a * factor; positive(a, c):
# c = a[0] > 0; fail(): an error.
SOURCE = """
declare void @TVMFFIErrorSetRaisedFromCStr(ptr, ptr)
@kind = private constant [15 x i8] c"RuntimeFailure\\00"
@text = private constant [18 x i8] c"the kernel failed\\00"

define void @add(ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %body, label %end
body:
  %pa = getelementptr float, ptr %a, i64 %i
  %pb = getelementptr float, ptr %b, i64 %i
  %pc = getelementptr float, ptr %c, i64 %i
  %x = load float, ptr %pa
  %y = load float, ptr %pb
  %z = fadd float %x, %y
  store float %z, ptr %pc
  %next = add i64 %i, 1
  br label %loop
end:
  ret void
}

define void @scale(ptr noalias %a, ptr noalias %c, i32 %n, float %factor) {
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %body ]
  %more = icmp slt i32 %i, %n
  br i1 %more, label %body, label %end
body:
  %pa = getelementptr float, ptr %a, i32 %i
  %pc = getelementptr float, ptr %c, i32 %i
  %x = load float, ptr %pa
  %z = fmul float %x, %factor
  store float %z, ptr %pc
  %next = add i32 %i, 1
  br label %loop
end:
  ret void
}

define void @positive(ptr noalias %a, ptr noalias %c) {
  %x = load float, ptr %a
  %holds = fcmp ogt float %x, 0.0
  %byte = zext i1 %holds to i8
  store i8 %byte, ptr %c
  ret void
}

define i32 @fail(ptr %a) {
  call void @TVMFFIErrorSetRaisedFromCStr(ptr @kind, ptr @text)
  ret i32 -1
}
"""


def kernel_objects() -> list[bytes]:
    """The kernels' object code."""
    return [compile_module(SOURCE)]


def executable(*functions: VMFunction, constants: tuple[Tensor, ...] = ()) -> Executable:
    """An executable of `functions`, compiled and loaded."""
    result = Executable(
        {f.name: f for f in functions}, list(constants), attrs={"failing_kernels": ["fail"]}
    )
    result.native = result.kernels = load_executable(result, kernel_objects())
    return result


def function(
    params: str,
    instructions: list[Instruction],
    *,
    name: str = "main",
    registers: int = 12,
    slots: tuple[str, ...] = (),
    **attrs: Any,
) -> VMFunction:
    """A function whose parameters are the words of `params`."""
    return VMFunction(
        name, tuple(params.split()), registers, len(slots), tuple(instructions), slot_names=slots
    )
