"""What compiled virtual-machine functions call, as LLVM IR: checks, tensors, containers, arenas.

A value is tvm-ffi's `Any`: `{i32 tag, i32 zero, i64 payload}`. Functions return 0, or -1 with the
error set. Nothing here refers to compiled models, so one copy serves all modules of the JIT, and
each exported library carries its own.
"""

from __future__ import annotations

from .narrow_support import narrow_ir
from .threadpool import threadpool_ir
from .vm_blocks import blocks_ir
from .vm_builtins import builtins_ir
from .vm_calls import arenas_ir, calls_ir
from .vm_checks import RAW_TENSOR, TENSOR, checks_ir
from .vm_errors import errors_ir
from .vm_text import Text, names_ir
from .vm_values import values_ir


def support_ir(triple: str) -> str:
    """The module with the thread pool, the workspace and the virtual machine's helpers."""
    text = Text()
    parts = [threadpool_ir(triple), narrow_ir(triple), _DECLARATIONS]
    parts += [make(text) for make in _PARTS]
    return "\n".join([*parts, text.constants()])


_DECLARATIONS = f"""
declare ptr @malloc(i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare {{ i64, i1 }} @llvm.umul.with.overflow.i64(i64, i64)
declare void @TVMFFIErrorSetRaisedFromCStr(ptr, ptr)
declare i32 @TVMFFIObjectIncRef(ptr)
declare i32 @TVMFFITensorFromDLPack(ptr, i32, i32, ptr)
declare i32 @TVMFFITensorCreateUnsafeView(ptr, ptr, ptr)
declare i32 @TVMFFIAnyViewToOwnedAny(ptr, ptr)

%tw.dltensor = type {{ ptr, i32, i32, i32, i32, ptr, ptr, i64 }}
; A check: where, what is expected, dtype (-1: any), ndim (-1: any), alignment, number of kinds and
; kinds: 0 (any size), 1 (equal to the value given) or 2 (report the size found)
%tw.spec = type {{ ptr, ptr, i32, i32, i64, i32, ptr }}

; the DLTensor of a value, or null
define internal ptr @tw.dltensor(ptr %any) alwaysinline {{
  %tag = load i32, ptr %any
  %slot = getelementptr i64, ptr %any, i64 1
  %payload = load ptr, ptr %slot
  %inner = getelementptr i8, ptr %payload, i64 24
  %object = icmp eq i32 %tag, {TENSOR}
  %raw = icmp eq i32 %tag, {RAW_TENSOR}
  %other = select i1 %raw, ptr %payload, ptr null
  %result = select i1 %object, ptr %inner, ptr %other
  ret ptr %result
}}

; the first element of a DLTensor
define internal ptr @tw.first(ptr %tensor) alwaysinline {{
  %data = load ptr, ptr %tensor
  %offset.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 7
  %offset = load i64, ptr %offset.ptr
  %first = getelementptr i8, ptr %data, i64 %offset
  ret ptr %first
}}
"""

_PARTS = (names_ir, checks_ir, blocks_ir, values_ir, calls_ir, arenas_ir, builtins_ir, errors_ir)
