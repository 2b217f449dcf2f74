"""Calls of packed functions, closures, and the memory of a call, as LLVM IR."""

from __future__ import annotations

from .vm_text import BUFFER, Text


def calls_ir(text: Text) -> str:
    """Calls of packed functions, containers made by them, closures."""
    return f"""
@tw.array.name = private constant %tw.bytes {{ ptr {text.string("ffi.Array")}, i64 9 }}
@tw.array.cache = internal global ptr null, align 8
@tw.shape.name = private constant %tw.bytes {{ ptr {text.string("ffi.Shape")}, i64 9 }}
@tw.shape.cache = internal global ptr null, align 8

; Calls the global function of that name; `cache`, where not null, keeps it for the next call.
define i32 @tilewright_call_global(ptr %cache, ptr %name, ptr %args, i32 %count, ptr %out) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %found = alloca ptr
  store i64 0, ptr %out
  %fleeting = icmp eq ptr %cache, null
  br i1 %fleeting, label %find, label %look
look:
  %kept = load atomic ptr, ptr %cache acquire, align 8
  %known = icmp ne ptr %kept, null
  br i1 %known, label %call, label %find
find:
  store ptr null, ptr %found
  %status = call i32 @TVMFFIFunctionGetGlobal(ptr %name, ptr %found)
  %handle = load ptr, ptr %found
  %none = icmp eq ptr %handle, null
  br i1 %none, label %missing, label %have
missing:
  call void @tw.clear_error()
  %name.text = load ptr, ptr %name
  br label %bad
{text.fail("bad", "global function `%s` is not registered", "ptr %name.text")}
have:
  br i1 %fleeting, label %once, label %keep
once:
  %answer = call i32 @TVMFFIFunctionCall(ptr %handle, ptr %args, i32 %count, ptr %out)
  %dropped = call i32 @TVMFFIObjectDecRef(ptr %handle)
  ret i32 %answer
keep:
  %exchange = cmpxchg ptr %cache, ptr null, ptr %handle acq_rel acquire
  %mine = extractvalue {{ ptr, i1 }} %exchange, 1
  br i1 %mine, label %call, label %drop
drop:
  %ignored = call i32 @TVMFFIObjectDecRef(ptr %handle)
  %other = extractvalue {{ ptr, i1 }} %exchange, 0
  br label %call
call:
  %function = phi ptr [ %kept, %look ], [ %handle, %keep ], [ %other, %drop ]
  %result = call i32 @TVMFFIFunctionCall(ptr %function, ptr %args, i32 %count, ptr %out)
  ret i32 %result
}}

define i32 @tilewright_call_value(ptr %any, ptr %args, i32 %count, ptr %out) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  store i64 0, ptr %out
  %tag = load i32, ptr %any
  %function = icmp eq i32 %tag, 68
  br i1 %function, label %call, label %other
other:
  %tag.name = call ptr @tw.tag_name(i32 %tag)
  br label %bad
{text.fail("bad", "cannot call %s", "ptr %tag.name")}
call:
  %slot = getelementptr i64, ptr %any, i64 1
  %handle = load ptr, ptr %slot
  %result = call i32 @TVMFFIFunctionCall(ptr %handle, ptr %args, i32 %count, ptr %out)
  ret i32 %result
}}

define i32 @tilewright_make_tuple(ptr %args, i32 %count, ptr %out) {{
  %status = call i32 @tilewright_call_global(ptr @tw.array.cache, ptr @tw.array.name, ptr %args, i32 %count, ptr %out)
  ret i32 %status
}}

define i32 @tilewright_make_shape(ptr %dims, i32 %count, ptr %out) {{
entry:
  %args = alloca {{ i64, i64 }}, i32 %count
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %item ]
  %more = icmp slt i32 %i, %count
  br i1 %more, label %item, label %call
item:
  %source = getelementptr i64, ptr %dims, i32 %i
  %value = load i64, ptr %source
  %arg = getelementptr {{ i64, i64 }}, ptr %args, i32 %i
  store i64 1, ptr %arg
  %slot = getelementptr i64, ptr %arg, i64 1
  store i64 %value, ptr %slot
  %next = add i32 %i, 1
  br label %loop
call:
  %status = call i32 @tilewright_call_global(ptr @tw.shape.cache, ptr @tw.shape.name, ptr %args, i32 %count, ptr %out)
  ret i32 %status
}}

; A closure: {{ function, owner or null, count, 0, captured values }}. The owner keeps the code.
define i32 @tilewright_make_closure(ptr %function, ptr %owner, ptr %captured, i32 %count, ptr %out) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %handle = alloca ptr
  %count.long = sext i32 %count to i64
  %values.bytes = shl i64 %count.long, 4
  %bytes = add i64 %values.bytes, 32
  %block = call ptr @calloc(i64 1, i64 %bytes)
  %none = icmp eq ptr %block, null
  br i1 %none, label %bad, label %fill
{text.fail("bad", "cannot allocate a closure", kind="MemoryError")}
fill:
  store ptr %function, ptr %block
  %owner.ptr = getelementptr i8, ptr %block, i64 8
  store ptr %owner, ptr %owner.ptr
  %count.ptr = getelementptr i8, ptr %block, i64 16
  %values = getelementptr i8, ptr %block, i64 32
  %orphan = icmp eq ptr %owner, null
  br i1 %orphan, label %loop, label %hold
hold:
  %held = call i32 @TVMFFIObjectIncRef(ptr %owner)
  br label %loop
loop:
  %i = phi i32 [ 0, %fill ], [ 0, %hold ], [ %next, %item ]
  store i32 %i, ptr %count.ptr
  %more = icmp slt i32 %i, %count
  br i1 %more, label %item, label %create
item:
  %source = getelementptr {{ i64, i64 }}, ptr %captured, i32 %i
  %target = getelementptr {{ i64, i64 }}, ptr %values, i32 %i
  %next = add i32 %i, 1
  %owned = call i32 @tilewright_own(ptr %source, ptr %target)
  %kept = icmp eq i32 %owned, 0
  br i1 %kept, label %loop, label %fail
create:
  %status = call i32 @TVMFFIFunctionCreate(ptr %block, ptr @tw.closure_call, ptr @tw.closure_free, ptr %handle)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %fail, label %good
fail:
  call void @tw.closure_free(ptr %block)
  ret i32 -1
good:
  %object = load ptr, ptr %handle
  store i64 68, ptr %out
  %slot = getelementptr i64, ptr %out, i64 1
  store ptr %object, ptr %slot
  ret i32 0
}}

define internal void @tw.closure_free(ptr %block) {{
entry:
  %count.ptr = getelementptr i8, ptr %block, i64 16
  %count = load i32, ptr %count.ptr
  %values = getelementptr i8, ptr %block, i64 32
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %item ]
  %more = icmp slt i32 %i, %count
  br i1 %more, label %item, label %last
item:
  %value = getelementptr {{ i64, i64 }}, ptr %values, i32 %i
  call void @tilewright_release(ptr %value)
  %next = add i32 %i, 1
  br label %loop
last:
  %owner.ptr = getelementptr i8, ptr %block, i64 8
  %owner = load ptr, ptr %owner.ptr
  call void @free(ptr %block)
  %orphan = icmp eq ptr %owner, null
  br i1 %orphan, label %end, label %drop
drop:
  %ignored = call i32 @TVMFFIObjectDecRef(ptr %owner)
  br label %end
end:
  ret void
}}

; The arguments of the call, then the captured values.
define internal i32 @tw.closure_call(ptr %block, ptr %args, i32 %given, ptr %out) {{
entry:
  %function = load ptr, ptr %block
  %count.ptr = getelementptr i8, ptr %block, i64 16
  %count = load i32, ptr %count.ptr
  %values = getelementptr i8, ptr %block, i64 32
  %total = add i32 %given, %count
  %all = alloca {{ i64, i64 }}, i32 %total
  %given.long = sext i32 %given to i64
  %given.bytes = shl i64 %given.long, 4
  %count.long = sext i32 %count to i64
  %count.bytes = shl i64 %count.long, 4
  %rest = getelementptr i8, ptr %all, i64 %given.bytes
  call void @llvm.memcpy.p0.p0.i64(ptr %all, ptr %args, i64 %given.bytes, i1 false)
  call void @llvm.memcpy.p0.p0.i64(ptr %rest, ptr %values, i64 %count.bytes, i1 false)
  %status = call i32 %function(ptr null, ptr %all, i32 %total, ptr %out)
  ret i32 %status
}}
"""  # noqa: E501


def arenas_ir(text: Text) -> str:
    """Memory of one call, kept between calls in eight slots of the module that owns it."""
    return f"""
; An arena of at least `bytes`: a cached one or a new one. Its capacity lies 64 bytes before it.
define ptr @tilewright_arena_take(ptr %slots, i64 %bytes) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %fresh = alloca ptr
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %skip ]
  %slot = getelementptr ptr, ptr %slots, i32 %i
  %seen = load atomic ptr, ptr %slot monotonic, align 8
  %empty = icmp eq ptr %seen, null
  br i1 %empty, label %skip, label %try
try:
  %block = atomicrmw xchg ptr %slot, ptr null acquire
  %lost = icmp eq ptr %block, null
  br i1 %lost, label %skip, label %measure
measure:
  %capacity = load i64, ptr %block
  %enough = icmp uge i64 %capacity, %bytes
  br i1 %enough, label %reuse, label %replace
reuse:
  %data = getelementptr i8, ptr %block, i64 64
  ret ptr %data
replace:
  call void @free(ptr %block)
  br label %make
skip:
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, 8
  br i1 %more, label %loop, label %make
make:
  %size = add i64 %bytes, 64
  %status = call i32 @posix_memalign(ptr %fresh, i64 64, i64 %size)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %fail, label %good
fail:
  %written = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %buffer, i64 {BUFFER}, ptr {text.string("cannot allocate %lld bytes of working memory")}, i64 %bytes)
  call void @TVMFFIErrorSetRaisedFromCStr(ptr {text.string("MemoryError")}, ptr %buffer)
  ret ptr null
good:
  %made = load ptr, ptr %fresh
  store i64 %bytes, ptr %made
  %made.data = getelementptr i8, ptr %made, i64 64
  ret ptr %made.data
}}

define void @tilewright_arena_give(ptr %slots, ptr %data) {{
entry:
  %none = icmp eq ptr %data, null
  br i1 %none, label %end, label %begin
begin:
  %block = getelementptr i8, ptr %data, i64 -64
  br label %loop
loop:
  %i = phi i32 [ 0, %begin ], [ %next, %skip ]
  %slot = getelementptr ptr, ptr %slots, i32 %i
  %exchange = cmpxchg ptr %slot, ptr null, ptr %block release monotonic
  %put = extractvalue {{ ptr, i1 }} %exchange, 1
  br i1 %put, label %end, label %skip
skip:
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, 8
  br i1 %more, label %loop, label %drop
drop:
  call void @free(ptr %block)
  br label %end
end:
  ret void
}}

define void @tilewright_arena_clear(ptr %slots) {{
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %slot = getelementptr ptr, ptr %slots, i32 %i
  %block = atomicrmw xchg ptr %slot, ptr null acquire
  call void @free(ptr %block)
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, 8
  br i1 %more, label %loop, label %end
end:
  ret void
}}

; Storage in the arena at `used` (an in-out count), or, where it is full, in a block of its own,
; chained at `chain` until the call ends. Null with an error where the size is no size.
define ptr @tilewright_arena_storage(ptr %arena, i64 %capacity, ptr %used, ptr %chain, i64 %bytes) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %fresh = alloca ptr
  %negative = icmp slt i64 %bytes, 0
  br i1 %negative, label %fail, label %place
place:
  %start = load i64, ptr %used
  %padded = add i64 %bytes, 63
  %rounded = and i64 %padded, -64
  %end = add i64 %start, %rounded
  store i64 %end, ptr %used
  %fits = icmp ule i64 %end, %capacity
  br i1 %fits, label %inside, label %outside
inside:
  %data = getelementptr i8, ptr %arena, i64 %start
  ret ptr %data
outside:
  %size = add i64 %rounded, 64
  %status = call i32 @posix_memalign(ptr %fresh, i64 64, i64 %size)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %fail, label %good
good:
  %block = load ptr, ptr %fresh
  %previous = load ptr, ptr %chain
  store ptr %previous, ptr %block
  store ptr %block, ptr %chain
  %own = getelementptr i8, ptr %block, i64 64
  ret ptr %own
fail:
  %written = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %buffer, i64 {BUFFER}, ptr {text.string("cannot allocate %lld bytes of storage")}, i64 %bytes)
  call void @TVMFFIErrorSetRaisedFromCStr(ptr {text.string("MemoryError")}, ptr %buffer)
  ret ptr null
}}

; The end of a call: blocks beside the arena are freed, and the next arena will be large enough.
define void @tilewright_arena_finish(ptr %needed, i64 %used, ptr %chain) {{
entry:
  %known = load atomic i64, ptr %needed monotonic, align 8
  %more = icmp ugt i64 %used, %known
  br i1 %more, label %learn, label %begin
learn:
  %ignored = atomicrmw umax ptr %needed, i64 %used monotonic
  br label %begin
begin:
  %first = load ptr, ptr %chain
  br label %loop
loop:
  %block = phi ptr [ %first, %begin ], [ %next, %free ]
  %none = icmp eq ptr %block, null
  br i1 %none, label %end, label %free
free:
  %next = load ptr, ptr %block
  call void @free(ptr %block)
  br label %loop
end:
  ret void
}}
"""  # noqa: E501
