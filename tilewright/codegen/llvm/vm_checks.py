"""Checks of arguments and conversions of scalars, as LLVM IR."""

from __future__ import annotations

from .vm_text import BUFFER, Text

TENSOR, ARRAY, LIST, SHAPE, RAW_TENSOR = 70, 71, 75, 69, 7


def checks_ir(text: Text) -> str:
    """Arguments against what the function declares."""
    return f"""
define i32 @tilewright_check_count(i32 %given, i32 %wanted, ptr %text) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %same = icmp eq i32 %given, %wanted
  br i1 %same, label %good, label %bad
good:
  ret i32 0
{text.fail("bad", "%s, %d given", "ptr %text", "i32 %given")}
}}

define i32 @tilewright_check_tensor(ptr %any, ptr %spec, ptr %dims, ptr %out) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %given = alloca [400 x i8]
  %context = load ptr, ptr %spec
  %text.ptr = getelementptr %tw.spec, ptr %spec, i32 0, i32 1
  %text = load ptr, ptr %text.ptr
  %tensor = call ptr @tw.dltensor(ptr %any)
  %tag = load i32, ptr %any
  %none = icmp eq ptr %tensor, null
  br i1 %none, label %no.tensor, label %check.type
no.tensor:
  %tag.name = call ptr @tw.tag_name(i32 %tag)
  br label %not.tensor
{text.fail("not.tensor", "%s: expected %s, found %s", "ptr %context", "ptr %text", "ptr %tag.name")}
check.type:
  %wanted.ptr = getelementptr %tw.spec, ptr %spec, i32 0, i32 2
  %wanted = load i32, ptr %wanted.ptr
  %dtype.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 4
  %dtype = load i32, ptr %dtype.ptr
  %any.dtype = icmp eq i32 %wanted, -1
  %same.dtype = icmp eq i32 %wanted, %dtype
  %dtype.good = or i1 %any.dtype, %same.dtype
  %shape.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 5
  %shape = load ptr, ptr %shape.ptr
  %ndim.wanted.ptr = getelementptr %tw.spec, ptr %spec, i32 0, i32 3
  %ndim.wanted = load i32, ptr %ndim.wanted.ptr
  %ndim.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 3
  %ndim = load i32, ptr %ndim.ptr
  %any.ndim = icmp slt i32 %ndim.wanted, 0
  %same.ndim = icmp eq i32 %ndim.wanted, %ndim
  %ndim.good = or i1 %any.ndim, %same.ndim
  %type.good = and i1 %dtype.good, %ndim.good
  br i1 %type.good, label %check.dims, label %other.type
other.type:
  call void @tw.describe(ptr %shape, i32 %ndim, i32 %dtype, ptr %given)
  br label %wrong.type
{text.fail("wrong.type", "%s: expected %s, found %s", "ptr %context", "ptr %text", "ptr %given")}
check.dims:
  %dims.status = call i32 @tw.match_dims(ptr %spec, ptr %shape, i32 %ndim, i32 %dtype, ptr %dims)
  %dims.good = icmp eq i32 %dims.status, 0
  br i1 %dims.good, label %check.device, label %wrong.dims
wrong.dims:
  ret i32 -1
check.device:
  %device.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 1
  %device = load i32, ptr %device.ptr
  %cpu = icmp eq i32 %device, 1
  br i1 %cpu, label %check.strides, label %wrong.device
{
        text.fail(
            "wrong.device",
            "%s: expected %s, found a tensor on a device of type %d%s",
            "ptr %context",
            "ptr %text",
            "i32 %device",
            f"ptr {text.string(chr(10) + '  note: it should be on cpu:0')}",
        )
    }
check.strides:
  %strides.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 6
  %strides = load ptr, ptr %strides.ptr
  %layout = call i32 @tw.compact(ptr %shape, ptr %strides, i32 %ndim)
  %first = call ptr @tw.first(ptr %tensor)
  store ptr %first, ptr %out
  switch i32 %layout, label %check.align [
    i32 0, label %strided
    i32 2, label %good
  ]
strided:
  call void @tw.shape_text(ptr %strides, i32 %ndim, ptr %given)
  br label %not.compact
{
        text.fail(
            "not.compact",
            "%s: expected %s, found a tensor with strides %s%s",
            "ptr %context",
            "ptr %text",
            "ptr %given",
            f"ptr {text.string(chr(10) + '  note: make it compact: tensor(x)')}",
        )
    }
check.align:
  %align.ptr = getelementptr %tw.spec, ptr %spec, i32 0, i32 4
  %align = load i64, ptr %align.ptr
  %mask = sub i64 %align, 1
  %address = ptrtoint ptr %first to i64
  %low = and i64 %address, %mask
  %aligned = icmp eq i64 %low, 0
  br i1 %aligned, label %good, label %misaligned
{
        text.fail(
            "misaligned",
            "%s: expected %s, found a misaligned tensor%s",
            "ptr %context",
            "ptr %text",
            f"ptr {text.string(chr(10) + '  note: make it aligned: tensor(x)')}",
        )
    }
good:
  ret i32 0
}}

; 0: strided, 1: compact, 2: without elements
define internal i32 @tw.compact(ptr %shape, ptr %strides, i32 %ndim) {{
entry:
  %implicit = icmp eq ptr %strides, null
  br label %loop
loop:
  %i = phi i32 [ %ndim, %entry ], [ %at, %step ]
  %wanted = phi i64 [ 1, %entry ], [ %wanted.next, %step ]
  %state = phi i32 [ 1, %entry ], [ %state.next, %step ]
  %more = icmp sgt i32 %i, 0
  br i1 %more, label %step, label %end
step:
  %at = sub i32 %i, 1
  %size.ptr = getelementptr i64, ptr %shape, i32 %at
  %size = load i64, ptr %size.ptr
  %source = select i1 %implicit, ptr %shape, ptr %strides
  %stride.ptr = getelementptr i64, ptr %source, i32 %at
  %stride = load i64, ptr %stride.ptr
  %matches = icmp eq i64 %stride, %wanted
  %single = icmp eq i64 %size, 1
  %fine.1 = or i1 %matches, %single
  %fine = or i1 %fine.1, %implicit
  %kept = select i1 %fine, i32 %state, i32 0
  %zero = icmp eq i64 %size, 0
  %empty = icmp eq i32 %state, 2
  %stays = or i1 %zero, %empty
  %state.next = select i1 %stays, i32 2, i32 %kept
  %wanted.next = mul i64 %wanted, %size
  br label %loop
end:
  ret i32 %state
}}

define internal i32 @tw.match_dims(ptr %spec, ptr %shape, i32 %ndim, i32 %dtype, ptr %dims) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %given = alloca [400 x i8]
  %count.ptr = getelementptr %tw.spec, ptr %spec, i32 0, i32 5
  %count = load i32, ptr %count.ptr
  %kinds.ptr = getelementptr %tw.spec, ptr %spec, i32 0, i32 6
  %kinds = load ptr, ptr %kinds.ptr
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %following ]
  %more = icmp slt i32 %i, %count
  br i1 %more, label %item, label %end
item:
  %kind.ptr = getelementptr i8, ptr %kinds, i32 %i
  %kind = load i8, ptr %kind.ptr
  %size.ptr = getelementptr i64, ptr %shape, i32 %i
  %size = load i64, ptr %size.ptr
  %dim.ptr = getelementptr i64, ptr %dims, i32 %i
  switch i8 %kind, label %following [
    i8 1, label %compare
    i8 2, label %bind
  ]
bind:
  store i64 %size, ptr %dim.ptr
  br label %following
compare:
  %wanted = load i64, ptr %dim.ptr
  %same = icmp eq i64 %size, %wanted
  br i1 %same, label %following, label %other
following:
  %next = add i32 %i, 1
  br label %loop
other:
  %context = load ptr, ptr %spec
  %text.ptr = getelementptr %tw.spec, ptr %spec, i32 0, i32 1
  %text = load ptr, ptr %text.ptr
  call void @tw.describe(ptr %shape, i32 %ndim, i32 %dtype, ptr %given)
  br label %bad
{
        text.fail(
            "bad",
            "%s: expected %s, found %s"
            + chr(10)
            + "  note: dimension %d should be %lld, found %lld",
            "ptr %context",
            "ptr %text",
            "ptr %given",
            "i32 %i",
            "i64 %wanted",
            "i64 %size",
        )
    }
end:
  ret i32 0
}}

define i32 @tilewright_check_shape(ptr %any, ptr %spec, ptr %dims) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %given = alloca [400 x i8]
  %context = load ptr, ptr %spec
  %text.ptr = getelementptr %tw.spec, ptr %spec, i32 0, i32 1
  %text = load ptr, ptr %text.ptr
  %wanted.ptr = getelementptr %tw.spec, ptr %spec, i32 0, i32 3
  %wanted = load i32, ptr %wanted.ptr
  %tag = load i32, ptr %any
  %slot = getelementptr i64, ptr %any, i64 1
  %object = load ptr, ptr %slot
  switch i32 %tag, label %other [
    i32 {SHAPE}, label %begin
    i32 {ARRAY}, label %begin
    i32 {LIST}, label %begin
  ]
begin:
  %data.ptr = getelementptr i8, ptr %object, i64 24
  %data = load ptr, ptr %data.ptr
  %size.ptr = getelementptr i8, ptr %object, i64 32
  %size = load i64, ptr %size.ptr
  %ndim = trunc i64 %size to i32
  %plain = icmp eq i32 %tag, {SHAPE}
  br i1 %plain, label %measure, label %copy
copy:
  %values = alloca i64, i32 %ndim
  br label %loop
loop:
  %i = phi i32 [ 0, %copy ], [ %next, %item ]
  %more = icmp slt i32 %i, %ndim
  br i1 %more, label %load, label %measure
load:
  %entry.ptr = getelementptr {{ i32, i32, i64 }}, ptr %data, i32 %i
  %entry.tag = load i32, ptr %entry.ptr
  %is.int = icmp eq i32 %entry.tag, 1
  br i1 %is.int, label %item, label %other
item:
  %value.ptr = getelementptr i64, ptr %entry.ptr, i64 1
  %value = load i64, ptr %value.ptr
  %target = getelementptr i64, ptr %values, i32 %i
  store i64 %value, ptr %target
  %next = add i32 %i, 1
  br label %loop
measure:
  %source = phi ptr [ %data, %begin ], [ %values, %loop ]
  %any.ndim = icmp slt i32 %wanted, 0
  %same.ndim = icmp eq i32 %ndim, %wanted
  %good.ndim = or i1 %any.ndim, %same.ndim
  br i1 %good.ndim, label %match, label %other.ndim
other.ndim:
  call void @tw.describe(ptr %source, i32 %ndim, i32 -1, ptr %given)
  br label %wrong.ndim
{text.fail("wrong.ndim", "%s: expected %s, found %s", "ptr %context", "ptr %text", "ptr %given")}
match:
  %status = call i32 @tw.match_dims(ptr %spec, ptr %source, i32 %ndim, i32 -1, ptr %dims)
  ret i32 %status
other:
  %wrong.tag = phi i32 [ %tag, %entry ], [ %entry.tag, %load ]
  %tag.name = call ptr @tw.tag_name(i32 %wrong.tag)
  br label %bad
{text.fail("bad", "%s: expected %s, found %s", "ptr %context", "ptr %text", "ptr %tag.name")}
}}

define i32 @tilewright_check_tuple(ptr %any, i64 %wanted, ptr %context) {{
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
measure:
  %slot = getelementptr i64, ptr %any, i64 1
  %object = load ptr, ptr %slot
  %size.ptr = getelementptr i8, ptr %object, i64 32
  %size = load i64, ptr %size.ptr
  %same = icmp eq i64 %size, %wanted
  br i1 %same, label %good, label %wrong
good:
  ret i32 0
{
        text.fail(
            "wrong",
            "%s: expected a tuple of %lld, found one of %lld",
            "ptr %context",
            "i64 %wanted",
            "i64 %size",
        )
    }
{
        text.fail(
            "bad",
            "%s: expected a tuple of %lld, found %s",
            "ptr %context",
            "i64 %wanted",
            "ptr %tag.name",
        )
    }
}}

define i32 @tilewright_as_int(ptr %any, ptr %out, ptr %context) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %tag = load i32, ptr %any
  %slot = getelementptr i64, ptr %any, i64 1
  %value = load i64, ptr %slot
  switch i32 %tag, label %other [
    i32 1, label %good
    i32 2, label %good
  ]
good:
  store i64 %value, ptr %out
  ret i32 0
other:
  %tag.name = call ptr @tw.tag_name(i32 %tag)
  br label %bad
{text.fail("bad", "%s: expected an integer, found %s", "ptr %context", "ptr %tag.name")}
}}

define i32 @tilewright_as_float(ptr %any, ptr %out, ptr %context) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %tag = load i32, ptr %any
  %slot = getelementptr i64, ptr %any, i64 1
  %whole = load i64, ptr %slot
  %value = load double, ptr %slot
  %converted = sitofp i64 %whole to double
  switch i32 %tag, label %other [
    i32 1, label %integer
    i32 2, label %integer
    i32 3, label %good
  ]
integer:
  br label %good
good:
  %result = phi double [ %value, %entry ], [ %converted, %integer ]
  store double %result, ptr %out
  ret i32 0
other:
  %tag.name = call ptr @tw.tag_name(i32 %tag)
  br label %bad
{text.fail("bad", "%s: expected a number, found %s", "ptr %context", "ptr %tag.name")}
}}

define void @tilewright_raise(ptr %message) cold {{
  call void @TVMFFIErrorSetRaisedFromCStr(ptr {text.string("ArgumentError")}, ptr %message)
  ret void
}}

; 1, 0, or -1 where the value is no condition
define i32 @tilewright_truth(ptr %any) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %tag = load i32, ptr %any
  %slot = getelementptr i64, ptr %any, i64 1
  %value = load i64, ptr %slot
  %tensor = call ptr @tw.dltensor(ptr %any)
  switch i32 %tag, label %other [
    i32 1, label %whole
    i32 2, label %whole
    i32 {TENSOR}, label %look
    i32 {RAW_TENSOR}, label %look
  ]
whole:
  %set = icmp ne i64 %value, 0
  br label %good
look:
  %ndim.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 3
  %ndim = load i32, ptr %ndim.ptr
  %bits.ptr = getelementptr i8, ptr %tensor, i64 21
  %bits = load i8, ptr %bits.ptr
  %scalar = icmp eq i32 %ndim, 0
  %byte = icmp eq i8 %bits, 8
  %fits = and i1 %scalar, %byte
  br i1 %fits, label %read, label %other
read:
  %first = call ptr @tw.first(ptr %tensor)
  %content = load i8, ptr %first
  %raised = icmp ne i8 %content, 0
  br label %good
good:
  %holds = phi i1 [ %set, %whole ], [ %raised, %read ]
  %result = zext i1 %holds to i32
  ret i32 %result
other:
  %tag.name = call ptr @tw.tag_name(i32 %tag)
  br label %bad
{text.fail("bad", "a condition must be a boolean scalar, found %s", "ptr %tag.name")}
}}
"""
