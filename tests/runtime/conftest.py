"""Small kernels as LLVM IR text, compiled in process."""

from __future__ import annotations

from collections.abc import Callable

import llvmlite.binding as llvm
import pytest

from tilewright.ffi import tvm_ffi
from tilewright.runtime import NativeModule, VirtualMachine

from .machines import machine, two_layers

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
llvm.load_library_permanently(tvm_ffi.libinfo.find_libtvm_ffi())

# scale(x, y, n, factor): y = x * factor; add(a, b, out, n): out = a + b
KERNELS = r"""
define void @scale(ptr %x, ptr %y, i64 %n, float %factor) {
entry:
  %empty = icmp sle i64 %n, 0
  br i1 %empty, label %done, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %xp = getelementptr float, ptr %x, i64 %i
  %yp = getelementptr float, ptr %y, i64 %i
  %v = load float, ptr %xp
  %r = fmul float %v, %factor
  store float %r, ptr %yp
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
define void @add(ptr %a, ptr %b, ptr %out, i64 %n) {
entry:
  %empty = icmp sle i64 %n, 0
  br i1 %empty, label %done, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %ap = getelementptr float, ptr %a, i64 %i
  %bp = getelementptr float, ptr %b, i64 %i
  %op = getelementptr float, ptr %out, i64 %i
  %x = load float, ptr %ap
  %y = load float, ptr %bp
  %r = fadd float %x, %y
  store float %r, ptr %op
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
declare void @TVMFFIErrorSetRaisedFromCStr(ptr, ptr)
@kind = private constant [14 x i8] c"ArgumentError\00"
@message = private constant [23 x i8] c"bad argument, says jit\00"
define i32 @check_positive(ptr %x) {
  %v = load float, ptr %x
  %bad = fcmp ole float %v, 0.0
  br i1 %bad, label %fail, label %good
fail:
  call void @TVMFFIErrorSetRaisedFromCStr(ptr @kind, ptr @message)
  ret i32 -1
good:
  ret i32 0
}
define i32 @__tvm_ffi_fail(ptr %self, ptr %args, i32 %n, ptr %ret) {
  call void @TVMFFIErrorSetRaisedFromCStr(ptr @kind, ptr @message)
  ret i32 -1
}
define i32 @__tvm_ffi_seven(ptr %self, ptr %args, i32 %n, ptr %ret) {
  store i32 1, ptr %ret
  %value = getelementptr i8, ptr %ret, i64 8
  store i64 7, ptr %value
  ret i32 0
}
declare i32 @TVMFFIFunctionCall(ptr, ptr, i32, ptr)
define i32 @__tvm_ffi_apply(ptr %self, ptr %args, i32 %n, ptr %ret) {
  %slot = getelementptr i8, ptr %args, i64 8
  %function = load ptr, ptr %slot
  %rest = getelementptr i8, ptr %args, i64 16
  %count = sub i32 %n, 1
  %code = call i32 @TVMFFIFunctionCall(ptr %function, ptr %rest, i32 %count, ptr %ret)
  ret i32 %code
}
; lend(f, tensor): calls f with a bare DLTensor*, which nobody owns
define i32 @__tvm_ffi_lend(ptr %self, ptr %args, i32 %n, ptr %ret) {
  %slot = getelementptr i8, ptr %args, i64 8
  %function = load ptr, ptr %slot
  %second = getelementptr i8, ptr %args, i64 24
  %object = load ptr, ptr %second
  %tensor = getelementptr i8, ptr %object, i64 24
  %lent = alloca { i64, ptr }
  store i64 7, ptr %lent
  %field = getelementptr i8, ptr %lent, i64 8
  store ptr %tensor, ptr %field
  %code = call i32 @TVMFFIFunctionCall(ptr %function, ptr %lent, i32 1, ptr %ret)
  ret i32 %code
}
"""


def compile_ir(source: str = KERNELS) -> NativeModule:
    """A module of the functions in LLVM IR text."""
    module = llvm.parse_assembly(source)
    machine = llvm.Target.from_default_triple().create_target_machine(opt=2)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    names = [f.name for f in module.functions if not f.is_declaration]
    return NativeModule(engine.get_function_address, names, keep_alive=engine)


@pytest.fixture(scope="session")
def jit() -> Callable[[str], NativeModule]:
    """Compiles LLVM IR text."""
    return compile_ir


@pytest.fixture(scope="session")
def kernels() -> NativeModule:
    """The kernels above."""
    return compile_ir()


@pytest.fixture(scope="module")
def vm(kernels: NativeModule) -> VirtualMachine:
    return machine(kernels, two_layers())
