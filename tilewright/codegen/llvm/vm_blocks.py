"""Memory of large tensors, kept for the next one of about the same size: LLVM IR.

The system takes a large block back as soon as it is freed, and a new one costs a page fault every
4 KiB (measured: more than half the time of a product whose result has 54 MB). A block that nobody
refers to any more is therefore kept. What is kept never adds to the largest amount of memory in
use: before a block is made anew, all that was kept is freed.
"""

from __future__ import annotations

from .vm_text import Text

LARGE = 1 << 20
"""Bytes from which the memory of a tensor is kept; malloc itself keeps smaller blocks."""

KEPT = 1 << 30
"""Bytes that are kept at most."""

SLOTS = 8


def blocks_ir(text: Text) -> str:
    """`tw.block_take`, and `tw.block_give`, which is the deleter of a large tensor's
    DLManagedTensor: its context is the capacity of the block that begins with it."""
    return f"""
@tw.kept = internal global [{SLOTS} x ptr] zeroinitializer, align 8
@tw.kept.bytes = internal global i64 0, align 8

; A block of at least `bytes`, at a multiple of 64; its capacity lies at 48. Null: out of memory.
define internal ptr @tw.block_take(i64 %bytes) noinline {{
entry:
  %fresh = alloca ptr
  %quarter = lshr i64 %bytes, 2
  %most = add i64 %bytes, %quarter
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %skip ]
  %slot = getelementptr ptr, ptr @tw.kept, i32 %i
  %block = atomicrmw xchg ptr %slot, ptr null acquire
  %none = icmp eq ptr %block, null
  br i1 %none, label %skip, label %measure
measure:
  %capacity.ptr = getelementptr i8, ptr %block, i64 48
  %capacity = load i64, ptr %capacity.ptr
  %large = icmp uge i64 %capacity, %bytes
  %modest = icmp ule i64 %capacity, %most
  %fits = and i1 %large, %modest
  %taken = atomicrmw sub ptr @tw.kept.bytes, i64 %capacity monotonic
  br i1 %fits, label %reuse, label %keep
reuse:
  ret ptr %block
keep:
  call void @tw.block_give(ptr %block)
  br label %skip
skip:
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, {SLOTS}
  br i1 %more, label %loop, label %make
make:
  call void @tw.blocks_free()
  %status = call i32 @posix_memalign(ptr %fresh, i64 64, i64 %bytes)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %fail, label %made
made:
  %new = load ptr, ptr %fresh
  %new.capacity = getelementptr i8, ptr %new, i64 48
  store i64 %bytes, ptr %new.capacity
  ret ptr %new
fail:
  ret ptr null
}}

; Keeps a block if there is room, else frees it.
define internal void @tw.block_give(ptr %block) noinline {{
entry:
  %capacity.ptr = getelementptr i8, ptr %block, i64 48
  %capacity = load i64, ptr %capacity.ptr
  %before = atomicrmw add ptr @tw.kept.bytes, i64 %capacity monotonic
  %after = add i64 %before, %capacity
  %room = icmp ule i64 %after, {KEPT}
  br i1 %room, label %loop, label %drop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %skip ]
  %slot = getelementptr ptr, ptr @tw.kept, i32 %i
  %exchange = cmpxchg ptr %slot, ptr null, ptr %block release monotonic
  %put = extractvalue {{ ptr, i1 }} %exchange, 1
  br i1 %put, label %end, label %skip
skip:
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, {SLOTS}
  br i1 %more, label %loop, label %drop
drop:
  %undone = atomicrmw sub ptr @tw.kept.bytes, i64 %capacity monotonic
  call void @free(ptr %block)
  br label %end
end:
  ret void
}}

define internal void @tw.blocks_free() {{
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %skip ]
  %slot = getelementptr ptr, ptr @tw.kept, i32 %i
  %block = atomicrmw xchg ptr %slot, ptr null acquire
  %none = icmp eq ptr %block, null
  br i1 %none, label %skip, label %drop
drop:
  %capacity.ptr = getelementptr i8, ptr %block, i64 48
  %capacity = load i64, ptr %capacity.ptr
  %taken = atomicrmw sub ptr @tw.kept.bytes, i64 %capacity monotonic
  call void @free(ptr %block)
  br label %skip
skip:
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, {SLOTS}
  br i1 %more, label %loop, label %end
end:
  ret void
}}
"""


__all__ = ["KEPT", "LARGE", "SLOTS", "blocks_ir"]
