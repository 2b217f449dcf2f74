"""Ownership of values, tensors and tuples, as LLVM IR."""

from __future__ import annotations

from .vm_blocks import LARGE
from .vm_checks import ARRAY, LIST, RAW_TENSOR, TENSOR
from .vm_text import BUFFER, Text


def values_ir(text: Text) -> str:
    """Ownership, tensors and containers."""
    return f"""
; the data of a value that must be a tensor
define i32 @tilewright_tensor_data(ptr %any, ptr %out, ptr %context) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %tensor = call ptr @tw.dltensor(ptr %any)
  %none = icmp eq ptr %tensor, null
  br i1 %none, label %other, label %good
good:
  %first = call ptr @tw.first(ptr %tensor)
  store ptr %first, ptr %out
  ret i32 0
other:
  %tag = load i32, ptr %any
  %tag.name = call ptr @tw.tag_name(i32 %tag)
  br label %bad
{text.fail("bad", "%s: expected a tensor, found %s", "ptr %context", "ptr %tag.name")}
}}

; forgets an owned value
define void @tilewright_release(ptr %any) {{
entry:
  %tag = load i32, ptr %any
  %object = icmp sge i32 %tag, 64
  br i1 %object, label %drop, label %end
drop:
  %slot = getelementptr i64, ptr %any, i64 1
  %handle = load ptr, ptr %slot
  %ignored = call i32 @TVMFFIObjectDecRef(ptr %handle)
  br label %end
end:
  store i64 0, ptr %any
  ret void
}}

; *out = a view of an argument; a reference that the caller lets go of is seen as what it refers to
define void @tilewright_parameter(ptr %argument, ptr %out) {{
entry:
  %whole = load i64, ptr %argument
  %slot = getelementptr i64, ptr %argument, i64 1
  %payload = load ptr, ptr %slot
  %out.slot = getelementptr i64, ptr %out, i64 1
  %tag = trunc i64 %whole to i32
  %reference = icmp eq i32 %tag, 10
  br i1 %reference, label %follow, label %plain
plain:
  store i64 %whole, ptr %out
  store ptr %payload, ptr %out.slot
  ret void
follow:
  %object = load ptr, ptr %payload
  %tag.ptr = getelementptr i8, ptr %object, i64 8
  %object.tag = load i32, ptr %tag.ptr
  %object.whole = zext i32 %object.tag to i64
  store i64 %object.whole, ptr %out
  store ptr %object, ptr %out.slot
  ret void
}}

; *out = a value of its own with what the view holds; *out is overwritten unread
define i32 @tilewright_own(ptr %view, ptr %out) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %data = alloca ptr
  %tag = load i32, ptr %view
  %slot = getelementptr i64, ptr %view, i64 1
  %payload = load ptr, ptr %slot
  %object = icmp sge i32 %tag, 64
  br i1 %object, label %share, label %plain
share:
  %ignored = call i32 @TVMFFIObjectIncRef(ptr %payload)
  br label %bits
bits:
  %whole = load i64, ptr %view
  %out.slot = getelementptr i64, ptr %out, i64 1
  store i64 %whole, ptr %out
  store ptr %payload, ptr %out.slot
  ret i32 0
plain:
  switch i32 %tag, label %bits [
    i32 {RAW_TENSOR}, label %copy
    i32 8, label %convert
    i32 9, label %convert
    i32 10, label %convert
  ]
convert:
  store i64 0, ptr %out
  %converted = call i32 @TVMFFIAnyViewToOwnedAny(ptr %view, ptr %out)
  ret i32 %converted
copy:
  %shape.ptr = getelementptr %tw.dltensor, ptr %payload, i32 0, i32 5
  %shape = load ptr, ptr %shape.ptr
  %strides.ptr = getelementptr %tw.dltensor, ptr %payload, i32 0, i32 6
  %strides = load ptr, ptr %strides.ptr
  %ndim.ptr = getelementptr %tw.dltensor, ptr %payload, i32 0, i32 3
  %ndim = load i32, ptr %ndim.ptr
  %dtype.ptr = getelementptr %tw.dltensor, ptr %payload, i32 0, i32 4
  %dtype = load i32, ptr %dtype.ptr
  %layout = call i32 @tw.compact(ptr %shape, ptr %strides, i32 %ndim)
  %strided = icmp eq i32 %layout, 0
  br i1 %strided, label %bad, label %make
{text.fail("bad", "a tensor view that leaves the function must be contiguous")}
make:
  %status = call i32 @tilewright_new_tensor(ptr %out, i32 %ndim, ptr %shape, i32 %dtype, ptr %data)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %error, label %fill
error:
  ret i32 -1
fill:
  %target = load ptr, ptr %data
  %source = call ptr @tw.first(ptr %payload)
  %bytes = call i64 @tw.bytes(i32 %ndim, ptr %shape, i32 %dtype)
  call void @llvm.memcpy.p0.p0.i64(ptr %target, ptr %source, i64 %bytes, i1 false)
  ret i32 0
}}

; the bytes of a compact tensor; -1 where a dimension is negative or the size overflows
define internal i64 @tw.bytes(i32 %ndim, ptr %dims, i32 %dtype) {{
entry:
  %bits.shifted = lshr i32 %dtype, 8
  %bits = and i32 %bits.shifted, 255
  %lanes = lshr i32 %dtype, 16
  %element = mul i32 %bits, %lanes
  %start = zext i32 %element to i64
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %good ]
  %total = phi i64 [ %start, %entry ], [ %total.next, %good ]
  %more = icmp slt i32 %i, %ndim
  br i1 %more, label %item, label %end
item:
  %slot = getelementptr i64, ptr %dims, i32 %i
  %size = load i64, ptr %slot
  %product = call {{ i64, i1 }} @llvm.umul.with.overflow.i64(i64 %total, i64 %size)
  %total.next = extractvalue {{ i64, i1 }} %product, 0
  %overflow = extractvalue {{ i64, i1 }} %product, 1
  %minus = icmp slt i64 %size, 0
  %wide = icmp slt i64 %total.next, 0
  %bad.1 = or i1 %overflow, %minus
  %bad = or i1 %bad.1, %wide
  br i1 %bad, label %fail, label %good
good:
  %next = add i32 %i, 1
  br label %loop
end:
  %rounded = add i64 %total, 7
  %bytes = lshr i64 %rounded, 3
  ret i64 %bytes
fail:
  ret i64 -1
}}

; One block of memory: DLManagedTensor, shape, strides, then the data at a multiple of 64. Its
; deleter is `free`, or for large ones `tw.block_give`: the tensor may outlive the model's code.
define i32 @tilewright_new_tensor(ptr %out, i32 %ndim, ptr %dims, i32 %dtype, ptr %data.out) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %given = alloca [272 x i8]
  %fresh = alloca ptr
  %handle = alloca ptr
  %bytes = call i64 @tw.bytes(i32 %ndim, ptr %dims, i32 %dtype)
  %sane = icmp sge i64 %bytes, 0
  br i1 %sane, label %allocate, label %describe
describe:
  call void @tw.shape_text(ptr %dims, i32 %ndim, ptr %given)
  br label %bad
{text.fail("bad", "cannot make a tensor of shape %s", "ptr %given")}
allocate:
  %ndim.long = sext i32 %ndim to i64
  %dims.bytes = shl i64 %ndim.long, 3
  %both = shl i64 %dims.bytes, 1
  %unrounded = add i64 %both, 127
  %head = and i64 %unrounded, -64
  %data.bytes = add i64 %bytes, 63
  %size = add i64 %head, %data.bytes
  %large = icmp uge i64 %bytes, {LARGE}
  br i1 %large, label %kept, label %small
kept:
  %kept.block = call ptr @tw.block_take(i64 %size)
  br label %allocated
small:
  store ptr null, ptr %fresh
  %status = call i32 @posix_memalign(ptr %fresh, i64 64, i64 %size)
  %small.block = load ptr, ptr %fresh
  br label %allocated
allocated:
  %block = phi ptr [ %kept.block, %kept ], [ %small.block, %small ]
  %deleter = select i1 %large, ptr @tw.block_give, ptr @free
  %none = icmp eq ptr %block, null
  br i1 %none, label %out.of.memory, label %fill
{
        text.fail(
            "out.of.memory",
            "cannot allocate a tensor of %lld bytes",
            "i64 %bytes",
            kind="MemoryError",
        )
    }
fill:
  %data = getelementptr i8, ptr %block, i64 %head
  %shape = getelementptr i8, ptr %block, i64 64
  %strides = getelementptr i8, ptr %shape, i64 %dims.bytes
  store ptr %data, ptr %block
  store ptr %data, ptr %data.out
  %device.ptr = getelementptr %tw.dltensor, ptr %block, i32 0, i32 1
  store i64 1, ptr %device.ptr
  %ndim.ptr = getelementptr %tw.dltensor, ptr %block, i32 0, i32 3
  store i32 %ndim, ptr %ndim.ptr
  %dtype.ptr = getelementptr %tw.dltensor, ptr %block, i32 0, i32 4
  store i32 %dtype, ptr %dtype.ptr
  %shape.ptr = getelementptr %tw.dltensor, ptr %block, i32 0, i32 5
  store ptr %shape, ptr %shape.ptr
  %strides.ptr = getelementptr %tw.dltensor, ptr %block, i32 0, i32 6
  store ptr %strides, ptr %strides.ptr
  %offset.ptr = getelementptr %tw.dltensor, ptr %block, i32 0, i32 7
  store i64 0, ptr %offset.ptr
  %deleter.ptr = getelementptr i8, ptr %block, i64 56
  store ptr %deleter, ptr %deleter.ptr
  call void @llvm.memcpy.p0.p0.i64(ptr %shape, ptr %dims, i64 %dims.bytes, i1 false)
  call void @tw.fill_strides(ptr %dims, ptr %strides, i32 %ndim)
  %wrapped = call i32 @TVMFFITensorFromDLPack(ptr %block, i32 0, i32 0, ptr %handle)
  %refused = icmp ne i32 %wrapped, 0
  br i1 %refused, label %give.up, label %good
give.up:
  call void %deleter(ptr %block)
  ret i32 -1
good:
  %object = load ptr, ptr %handle
  %slot = getelementptr i64, ptr %out, i64 1
  store i64 {TENSOR}, ptr %out
  store ptr %object, ptr %slot
  ret i32 0
}}

define internal void @tw.fill_strides(ptr %dims, ptr %strides, i32 %ndim) {{
entry:
  br label %loop
loop:
  %i = phi i32 [ %ndim, %entry ], [ %at, %step ]
  %stride = phi i64 [ 1, %entry ], [ %stride.next, %step ]
  %more = icmp sgt i32 %i, 0
  br i1 %more, label %step, label %end
step:
  %at = sub i32 %i, 1
  %target = getelementptr i64, ptr %strides, i32 %at
  store i64 %stride, ptr %target
  %size.ptr = getelementptr i64, ptr %dims, i32 %at
  %size = load i64, ptr %size.ptr
  %stride.next = mul i64 %stride, %size
  br label %loop
end:
  ret void
}}

; A tensor inside the tensor `storage`, which it keeps alive.
define i32 @tilewright_view(ptr %storage, i64 %offset, ptr %out, i32 %ndim, ptr %dims, i32 %dtype,
                            ptr %data.out) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %prototype = alloca %tw.dltensor
  %strides = alloca i64, i32 %ndim
  %handle = alloca ptr
  %tag = load i32, ptr %storage
  %whole = call ptr @tw.dltensor(ptr %storage)
  %is.object = icmp eq i32 %tag, {TENSOR}
  br i1 %is.object, label %begin, label %bad
{text.fail("bad", "a tensor needs storage, found a value of type %d", "i32 %tag")}
begin:
  %object.ptr = getelementptr i64, ptr %storage, i64 1
  %object = load ptr, ptr %object.ptr
  %base = call ptr @tw.first(ptr %whole)
  %data = getelementptr i8, ptr %base, i64 %offset
  store ptr %data, ptr %prototype
  store ptr %data, ptr %data.out
  %device.ptr = getelementptr %tw.dltensor, ptr %prototype, i32 0, i32 1
  store i64 1, ptr %device.ptr
  %ndim.ptr = getelementptr %tw.dltensor, ptr %prototype, i32 0, i32 3
  store i32 %ndim, ptr %ndim.ptr
  %dtype.ptr = getelementptr %tw.dltensor, ptr %prototype, i32 0, i32 4
  store i32 %dtype, ptr %dtype.ptr
  %shape.ptr = getelementptr %tw.dltensor, ptr %prototype, i32 0, i32 5
  store ptr %dims, ptr %shape.ptr
  %strides.ptr = getelementptr %tw.dltensor, ptr %prototype, i32 0, i32 6
  store ptr %strides, ptr %strides.ptr
  %offset.ptr = getelementptr %tw.dltensor, ptr %prototype, i32 0, i32 7
  store i64 0, ptr %offset.ptr
  call void @tw.fill_strides(ptr %dims, ptr %strides, i32 %ndim)
  %status = call i32 @TVMFFITensorCreateUnsafeView(ptr %object, ptr %prototype, ptr %handle)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %give.up, label %good
give.up:
  ret i32 -1
good:
  %view = load ptr, ptr %handle
  %slot = getelementptr i64, ptr %out, i64 1
  store i64 {TENSOR}, ptr %out
  store ptr %view, ptr %slot
  ret i32 0
}}

define i32 @tilewright_get_item(ptr %any, i64 %index, ptr %out) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %tag = load i32, ptr %any
  switch i32 %tag, label %other [
    i32 {ARRAY}, label %measure
    i32 {LIST}, label %measure
  ]
other:
  %tag.name = call ptr @tw.tag_name(i32 %tag)
  br label %bad
{text.fail("bad", "expected a tuple, found %s", "ptr %tag.name")}
measure:
  %slot = getelementptr i64, ptr %any, i64 1
  %object = load ptr, ptr %slot
  %size.ptr = getelementptr i8, ptr %object, i64 32
  %size = load i64, ptr %size.ptr
  %inside = icmp ult i64 %index, %size
  br i1 %inside, label %good, label %outside
{text.fail("outside", "item %lld of a tuple of %lld", "i64 %index", "i64 %size")}
good:
  %data.ptr = getelementptr i8, ptr %object, i64 24
  %data = load ptr, ptr %data.ptr
  %item = getelementptr {{ i64, i64 }}, ptr %data, i64 %index
  %status = call i32 @tilewright_own(ptr %item, ptr %out)
  ret i32 %status
}}
"""
