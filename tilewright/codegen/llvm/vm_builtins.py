"""Built-in functions of the virtual machine in LLVM IR, so that exported libraries need no Python.

Each is `i32 symbol(ptr args, i32 count, ptr out)`; what it means is said in `runtime.vm.builtins`.
"""

from __future__ import annotations

from .vm_text import Text

ALIASES = frozenset({"vm.builtin.reshape"})  # the first argument's memory under another shape
# Functions that neither keep nor return their arguments. Those of Python get copies.
NATIVE_READERS = frozenset(
    ("vm.builtin.shape_of", "vm.builtin.tensor_to_shape", "relax.run.tensor_to_shape",
     "vm.builtin.read_if_cond", "vm.builtin.tensor_copy")
)  # fmt: skip
READERS = NATIVE_READERS | {"relax.run.print", "relax.run.assert_op"}
BUILTINS = {
    "vm.builtin.shape_of": "tilewright_shape_of",
    "vm.builtin.reshape": "tilewright_reshape",
    "vm.builtin.tensor_to_shape": "tilewright_tensor_to_shape",
    "relax.run.tensor_to_shape": "tilewright_tensor_to_shape",
    "relax.run.shape_to_tensor": "tilewright_shape_to_tensor",
    "vm.builtin.copy": "tilewright_first_value",
    "vm.builtin.null_value": "tilewright_null_value",
    "vm.builtin.make_tuple": "tilewright_make_tuple",
    "vm.builtin.tuple_getitem": "tilewright_tuple_getitem",
    "vm.builtin.read_if_cond": "tilewright_read_if_cond",
    "vm.builtin.tensor_copy": "tilewright_tensor_copy",
    "vm.builtin.get_global_func": "tilewright_get_global_func",
    "relax.run.assert_op": "tilewright_assert",
}


def builtins_ir(text: Text) -> str:
    """The definitions of all functions of `BUILTINS` (but the tuple, which `vm_support` has)."""
    return f"""
declare i64 @strlen(ptr)
@tw.integer = private constant [8 x i8] c"integer\\00"

define i32 @tilewright_first_value(ptr %args, i32 %count, ptr %out) {{
  %status = call i32 @tilewright_own(ptr %args, ptr %out)
  ret i32 %status
}}

define i32 @tilewright_null_value(ptr %args, i32 %count, ptr %out) {{
  store i64 0, ptr %out
  ret i32 0
}}

define i32 @tilewright_get_global_func(ptr %args, i32 %count, ptr %out) {{
entry:
  %buffer = alloca [1024 x i8]
  %bytes = alloca {{ ptr, i64 }}
  %found = alloca ptr
  %tag = load i32, ptr %args
  %raw = icmp eq i32 %tag, 8
  br i1 %raw, label %look, label %other
other:
  %tag.name = call ptr @tw.tag_name(i32 %tag)
  br label %bad
{text.fail("bad", "get_global_func: expected the name of a function, found %s", "ptr %tag.name")}
look:
  %slot = getelementptr i64, ptr %args, i64 1
  %name = load ptr, ptr %slot
  %length = call i64 @strlen(ptr %name)
  store ptr %name, ptr %bytes
  %size.ptr = getelementptr {{ ptr, i64 }}, ptr %bytes, i32 0, i32 1
  store i64 %length, ptr %size.ptr
  store ptr null, ptr %found
  %status = call i32 @TVMFFIFunctionGetGlobal(ptr %bytes, ptr %found)
  %handle = load ptr, ptr %found
  %none = icmp eq ptr %handle, null
  br i1 %none, label %missing, label %good
missing:
  call void @tw.clear_error()
  br label %unknown
{text.fail("unknown", "global function `%s` is not registered", "ptr %name")}
good:
  store i64 68, ptr %out
  %out.slot = getelementptr i64, ptr %out, i64 1
  store ptr %handle, ptr %out.slot
  ret i32 0
}}

@tw.assert.name = private constant %tw.bytes {{ ptr {text.string("relax.run.assert_op")}, i64 19 }}

; The message, and what it shows, are made by the function of that name where there is one.
define i32 @tilewright_assert(ptr %args, i32 %count, ptr %out) {{
entry:
  %found = alloca ptr
  store i64 0, ptr %out
  %truth = call i32 @tilewright_truth(ptr %args)
  %fails = icmp sle i32 %truth, 0
  br i1 %fails, label %sort, label %end
end:
  ret i32 0
sort:
  %broken = icmp slt i32 %truth, 0
  br i1 %broken, label %fail, label %ask
fail:
  ret i32 -1
ask:
  store ptr null, ptr %found
  %status = call i32 @TVMFFIFunctionGetGlobal(ptr @tw.assert.name, ptr %found)
  %handle = load ptr, ptr %found
  %none = icmp eq ptr %handle, null
  br i1 %none, label %plain, label %call
plain:
  call void @tw.clear_error()
  call void @TVMFFIErrorSetRaisedFromCStr(ptr {text.string("AssertionError")}, ptr {text.string("assertion failed")})
  ret i32 -1
call:
  %answer = call i32 @TVMFFIFunctionCall(ptr %handle, ptr %args, i32 %count, ptr %out)
  %dropped = call i32 @TVMFFIObjectDecRef(ptr %handle)
  ret i32 %answer
}}

define i32 @tilewright_tuple_getitem(ptr %args, i32 %count, ptr %out) {{
entry:
  %index = alloca i64
  %second = getelementptr {{ i64, i64 }}, ptr %args, i64 1
  %parsed = call i32 @tilewright_as_int(ptr %second, ptr %index, ptr @tw.integer)
  %good = icmp eq i32 %parsed, 0
  br i1 %good, label %get, label %end
get:
  %at = load i64, ptr %index
  %status = call i32 @tilewright_get_item(ptr %args, i64 %at, ptr %out)
  br label %end
end:
  %result = phi i32 [ %parsed, %entry ], [ %status, %get ]
  ret i32 %result
}}

define i32 @tilewright_read_if_cond(ptr %args, i32 %count, ptr %out) {{
  %truth = call i32 @tilewright_truth(ptr %args)
  %long = sext i32 %truth to i64
  store i64 2, ptr %out
  %slot = getelementptr i64, ptr %out, i64 1
  store i64 %long, ptr %slot
  %status = ashr i32 %truth, 31
  ret i32 %status
}}

; the DLTensor of a value that must be a compact tensor in host memory, or null with an error
define internal ptr @tw.compact_tensor(ptr %any) {{
entry:
  %buffer = alloca [1024 x i8]
  %tensor = call ptr @tw.dltensor(ptr %any)
  %none = icmp eq ptr %tensor, null
  br i1 %none, label %other, label %look
other:
  %tag = load i32, ptr %any
  %tag.name = call ptr @tw.tag_name(i32 %tag)
  %a = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %buffer, i64 1024, ptr {text.string("expected a tensor, found %s")}, ptr %tag.name)
  br label %bad
look:
  %device.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 1
  %device = load i32, ptr %device.ptr
  %ndim.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 3
  %ndim = load i32, ptr %ndim.ptr
  %shape.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 5
  %shape = load ptr, ptr %shape.ptr
  %strides.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 6
  %strides = load ptr, ptr %strides.ptr
  %layout = call i32 @tw.compact(ptr %shape, ptr %strides, i32 %ndim)
  %dense = icmp ne i32 %layout, 0
  %host = icmp eq i32 %device, 1
  %good = and i1 %dense, %host
  br i1 %good, label %end, label %strided
strided:
  %b = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %buffer, i64 1024, ptr {text.string("expected a compact tensor on the CPU")})
  br label %bad
bad:
  call void @TVMFFIErrorSetRaisedFromCStr(ptr {text.string("ArgumentError")}, ptr %buffer)
  ret ptr null
end:
  ret ptr %tensor
}}

define i32 @tilewright_shape_of(ptr %args, i32 %count, ptr %out) {{
entry:
  %buffer = alloca [1024 x i8]
  %tensor = call ptr @tw.dltensor(ptr %args)
  %none = icmp eq ptr %tensor, null
  br i1 %none, label %other, label %make
other:
  %tag = load i32, ptr %args
  %tag.name = call ptr @tw.tag_name(i32 %tag)
  br label %bad
{text.fail("bad", "shape_of: expected a tensor, found %s", "ptr %tag.name")}
make:
  %ndim.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 3
  %ndim = load i32, ptr %ndim.ptr
  %shape.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 5
  %shape = load ptr, ptr %shape.ptr
  %status = call i32 @tilewright_make_shape(ptr %shape, i32 %ndim, ptr %out)
  ret i32 %status
}}

; Copies the dimensions of a shape, or of a tuple of integers, to `dims`; their number, or -1.
define internal i32 @tw.shape_values(ptr %any, ptr %dims) {{
entry:
  %buffer = alloca [1024 x i8]
  %tag = load i32, ptr %any
  %slot = getelementptr i64, ptr %any, i64 1
  %object = load ptr, ptr %slot
  switch i32 %tag, label %other [
    i32 69, label %begin
    i32 71, label %begin
    i32 75, label %begin
  ]
begin:
  %plain = icmp eq i32 %tag, 69
  %data.ptr = getelementptr i8, ptr %object, i64 24
  %data = load ptr, ptr %data.ptr
  %size.ptr = getelementptr i8, ptr %object, i64 32
  %size = load i64, ptr %size.ptr
  %fits = icmp ult i64 %size, 64
  br i1 %fits, label %loop, label %other
loop:
  %i = phi i64 [ 0, %begin ], [ %next, %store ]
  %more = icmp ult i64 %i, %size
  br i1 %more, label %item, label %end
item:
  %integer = getelementptr i64, ptr %data, i64 %i
  %pair = getelementptr {{ i64, i64 }}, ptr %data, i64 %i
  %pair.value = getelementptr i64, ptr %pair, i64 1
  %source = select i1 %plain, ptr %integer, ptr %pair.value
  br i1 %plain, label %store, label %check
check:
  %item.tag = load i32, ptr %pair
  %is.int = icmp eq i32 %item.tag, 1
  br i1 %is.int, label %store, label %other
store:
  %value = load i64, ptr %source
  %target = getelementptr i64, ptr %dims, i64 %i
  store i64 %value, ptr %target
  %next = add i64 %i, 1
  br label %loop
end:
  %count = trunc i64 %size to i32
  ret i32 %count
other:
  %tag.name = call ptr @tw.tag_name(i32 %tag)
  br label %bad
{text.fail("bad", "expected a shape, found %s", "ptr %tag.name")}
}}

define internal i64 @tw.elements(ptr %dims, i32 %ndim) {{
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %item ]
  %total = phi i64 [ 1, %entry ], [ %total.next, %item ]
  %more = icmp slt i32 %i, %ndim
  br i1 %more, label %item, label %end
item:
  %slot = getelementptr i64, ptr %dims, i32 %i
  %size = load i64, ptr %slot
  %total.next = mul i64 %total, %size
  %next = add i32 %i, 1
  br label %loop
end:
  ret i64 %total
}}

; Gives the one dimension that is -1 (if there is one) the size that the others leave.
define internal void @tw.fill_unknown(ptr %dims, i32 %ndim, i64 %elements) {{
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %item ]
  %at = phi i32 [ -1, %entry ], [ %at.next, %item ]
  %more = icmp slt i32 %i, %ndim
  br i1 %more, label %item, label %found
item:
  %slot = getelementptr i64, ptr %dims, i32 %i
  %size = load i64, ptr %slot
  %unknown = icmp eq i64 %size, -1
  %at.next = select i1 %unknown, i32 %i, i32 %at
  %next = add i32 %i, 1
  br label %loop
found:
  %none = icmp slt i32 %at, 0
  br i1 %none, label %end, label %fill
fill:
  %place = getelementptr i64, ptr %dims, i32 %at
  store i64 1, ptr %place
  %known = call i64 @tw.elements(ptr %dims, i32 %ndim)
  %zero = icmp sle i64 %known, 0
  %divisor = select i1 %zero, i64 1, i64 %known
  %quotient = sdiv i64 %elements, %divisor
  store i64 %quotient, ptr %place
  br label %end
end:
  ret void
}}

define i32 @tilewright_reshape(ptr %args, i32 %count, ptr %out) {{
entry:
  %buffer = alloca [1024 x i8]
  %given = alloca [272 x i8]
  %wanted = alloca [272 x i8]
  %dims = alloca [64 x i64]
  %owned = alloca {{ i64, i64 }}
  %data = alloca ptr
  %tensor = call ptr @tw.compact_tensor(ptr %args)
  %none = icmp eq ptr %tensor, null
  br i1 %none, label %fail, label %parse
parse:
  %second = getelementptr {{ i64, i64 }}, ptr %args, i64 1
  %rank = call i32 @tw.shape_values(ptr %second, ptr %dims)
  %unparsed = icmp slt i32 %rank, 0
  br i1 %unparsed, label %fail, label %compare
compare:
  %ndim.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 3
  %ndim = load i32, ptr %ndim.ptr
  %dtype.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 4
  %dtype = load i32, ptr %dtype.ptr
  %shape.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 5
  %shape = load ptr, ptr %shape.ptr
  %elements = call i64 @tw.elements(ptr %shape, i32 %ndim)
  call void @tw.fill_unknown(ptr %dims, i32 %rank, i64 %elements)
  %asked = call i64 @tw.bytes(i32 %rank, ptr %dims, i32 %dtype)
  %has = call i64 @tw.bytes(i32 %ndim, ptr %shape, i32 %dtype)
  %same = icmp eq i64 %asked, %has
  br i1 %same, label %own, label %describe
describe:
  call void @tw.shape_text(ptr %shape, i32 %ndim, ptr %given)
  call void @tw.shape_text(ptr %dims, i32 %rank, ptr %wanted)
  br label %bad
{text.fail("bad", "reshape: cannot view a tensor of shape %s as %s", "ptr %given", "ptr %wanted")}
own:
  %kept = call i32 @tilewright_own(ptr %args, ptr %owned)
  %lost = icmp ne i32 %kept, 0
  br i1 %lost, label %fail, label %view
view:
  %status = call i32 @tilewright_view(ptr %owned, i64 0, ptr %out, i32 %rank, ptr %dims, i32 %dtype, ptr %data)
  call void @tilewright_release(ptr %owned)
  ret i32 %status
fail:
  ret i32 -1
}}

define i32 @tilewright_tensor_to_shape(ptr %args, i32 %count, ptr %out) {{
entry:
  %buffer = alloca [1024 x i8]
  %given = alloca [400 x i8]
  %tensor = call ptr @tw.compact_tensor(ptr %args)
  %none = icmp eq ptr %tensor, null
  br i1 %none, label %fail, label %look
fail:
  ret i32 -1
look:
  %ndim.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 3
  %ndim = load i32, ptr %ndim.ptr
  %dtype.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 4
  %dtype = load i32, ptr %dtype.ptr
  %shape.ptr = getelementptr %tw.dltensor, ptr %tensor, i32 0, i32 5
  %shape = load ptr, ptr %shape.ptr
  %flat = icmp eq i32 %ndim, 1
  br i1 %flat, label %type, label %describe
type:
  %size = load i64, ptr %shape
  %long = icmp eq i32 %dtype, {64 << 8 | 1 << 16}
  %short = icmp eq i32 %dtype, {32 << 8 | 1 << 16}
  %integer = or i1 %long, %short
  %few = icmp ult i64 %size, 64
  %good = and i1 %integer, %few
  br i1 %good, label %begin, label %describe
describe:
  call void @tw.describe(ptr %shape, i32 %ndim, i32 %dtype, ptr %given)
  br label %bad
{text.fail("bad", "tensor_to_shape: expected a 1-d integer tensor, found %s", "ptr %given")}
begin:
  %dims = alloca [64 x i64]
  %first = call ptr @tw.first(ptr %tensor)
  br label %loop
loop:
  %i = phi i64 [ 0, %begin ], [ %next, %store ]
  %more = icmp ult i64 %i, %size
  br i1 %more, label %item, label %make
item:
  br i1 %long, label %wide, label %narrow
wide:
  %wide.ptr = getelementptr i64, ptr %first, i64 %i
  %wide.value = load i64, ptr %wide.ptr
  br label %store
narrow:
  %narrow.ptr = getelementptr i32, ptr %first, i64 %i
  %narrow.load = load i32, ptr %narrow.ptr
  %narrow.value = sext i32 %narrow.load to i64
  br label %store
store:
  %value = phi i64 [ %wide.value, %wide ], [ %narrow.value, %narrow ]
  %target = getelementptr i64, ptr %dims, i64 %i
  store i64 %value, ptr %target
  %next = add i64 %i, 1
  br label %loop
make:
  %rank = trunc i64 %size to i32
  %status = call i32 @tilewright_make_shape(ptr %dims, i32 %rank, ptr %out)
  ret i32 %status
}}

define i32 @tilewright_shape_to_tensor(ptr %args, i32 %count, ptr %out) {{
entry:
  %dims = alloca [64 x i64]
  %size = alloca i64
  %data = alloca ptr
  %rank = call i32 @tw.shape_values(ptr %args, ptr %dims)
  %bad = icmp slt i32 %rank, 0
  br i1 %bad, label %fail, label %make
fail:
  ret i32 -1
make:
  %rank.long = sext i32 %rank to i64
  store i64 %rank.long, ptr %size
  %status = call i32 @tilewright_new_tensor(ptr %out, i32 1, ptr %size, i32 {64 << 8 | 1 << 16}, ptr %data)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %fail, label %fill
fill:
  %target = load ptr, ptr %data
  %bytes = shl i64 %rank.long, 3
  call void @llvm.memcpy.p0.p0.i64(ptr %target, ptr %dims, i64 %bytes, i1 false)
  ret i32 0
}}

define i32 @tilewright_tensor_copy(ptr %args, i32 %count, ptr %out) {{
entry:
  %raw = alloca {{ i64, i64 }}
  %tensor = call ptr @tw.compact_tensor(ptr %args)
  %none = icmp eq ptr %tensor, null
  br i1 %none, label %fail, label %copy
fail:
  ret i32 -1
copy:
  store i64 7, ptr %raw
  %slot = getelementptr i64, ptr %raw, i64 1
  store ptr %tensor, ptr %slot
  %status = call i32 @tilewright_own(ptr %raw, ptr %out)
  ret i32 %status
}}
"""  # noqa: E501
