"""What compiled virtual-machine functions call, as LLVM IR: checks, tensors, containers, arenas.

A value is tvm-ffi's `Any`: `{i32 tag, i32 zero, i64 payload}`. Functions return 0, or -1 with the
error set. Nothing here refers to compiled models, so one copy serves all modules of the JIT, and
each exported library carries its own.
"""

from __future__ import annotations

from .threadpool import c_string, threadpool_ir
from .vm_builtins import builtins_ir

BUFFER = 1024
TENSOR, ARRAY, LIST, SHAPE, RAW_TENSOR = 70, 71, 75, 69, 7


class _Text:
    """Collects the string constants that the functions below refer to."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def string(self, text: str) -> str:
        """The name of a constant that holds `text`."""
        return self.names.setdefault(text, f"@tw.text.{len(self.names)}")

    def fail(self, label: str, form: str, *args: str, kind: str = "ArgumentError") -> str:
        """A block that sets an error, its message made by snprintf, and returns -1."""
        values = "".join(f", {a}" for a in args)
        return f"""{label}:
  %{label}.size = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %buffer, i64 {BUFFER}, ptr {self.string(form)}{values})
  call void @TVMFFIErrorSetRaisedFromCStr(ptr {self.string(kind)}, ptr %buffer)
  ret i32 -1"""  # noqa: E501

    def constants(self) -> str:
        """The definitions of all strings."""
        rows = (f"{n} = private constant {c_string(t)}" for t, n in self.names.items())
        return "\n".join(rows)


def support_ir(triple: str) -> str:
    """The module with the thread pool, the workspace and the virtual machine's helpers."""
    text = _Text()
    parts = [threadpool_ir(triple), _DECLARATIONS]
    parts += [make(text) for make in _PARTS]
    return "\n".join([*parts, text.constants()])


_DECLARATIONS = f"""
declare i32 @snprintf(ptr, i64, ptr, ...)
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

_TAGS = {
    0: "None", 1: "int", 2: "bool", 3: "float", 4: "a pointer", 5: "a data type", 6: "a device",
    7: "a tensor", 8: "str", 9: "bytes", 11: "str", 12: "bytes", 65: "str", 66: "bytes",
    67: "an error", 68: "a function", 69: "a shape", 70: "a tensor", 71: "a tuple", 72: "a map",
    73: "a module", 74: "a Python object", 75: "a list", 76: "a dict",
}  # fmt: skip
_TYPE_CODES = (
    "int", "uint", "float", "handle", "bfloat", "complex", "bool", "float8_e3m4", "float8_e4m3",
    "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz",
    "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn",
)  # fmt: skip


def _names(text: _Text) -> str:
    """Readable names of tags, data types and shapes."""
    cases = "\n".join(f"    i32 {tag}, label %tag{tag}" for tag in _TAGS)
    blocks = "\n".join(f"tag{tag}:\n  ret ptr {text.string(name)}" for tag, name in _TAGS.items())
    codes = ", ".join(f"ptr {text.string(name)}" for name in _TYPE_CODES)
    return f"""
define internal ptr @tw.tag_name(i32 %tag) cold {{
  switch i32 %tag, label %unknown [
{cases}
  ]
{blocks}
unknown:
  ret ptr {text.string("an object")}
}}

@tw.codes = internal constant [{len(_TYPE_CODES)} x ptr] [{codes}]
define internal void @tw.dtype_name(i32 %dtype, ptr %buffer) cold {{
entry:
  %code = and i32 %dtype, 255
  %bits.shifted = lshr i32 %dtype, 8
  %bits = and i32 %bits.shifted, 255
  %lanes = lshr i32 %dtype, 16
  %known = icmp ult i32 %code, {len(_TYPE_CODES)}
  %index = select i1 %known, i32 %code, i32 3
  %entry.ptr = getelementptr ptr, ptr @tw.codes, i32 %index
  %name = load ptr, ptr %entry.ptr
  %plain = icmp ugt i32 %index, 5
  %form.bits = select i1 %plain, ptr {text.string("%s")}, ptr {text.string("%s%d")}
  %single = icmp ule i32 %lanes, 1
  %form = select i1 %single, ptr %form.bits, ptr {text.string("%s%dx%d")}
  %size = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %buffer, i64 48, ptr %form, ptr %name, i32 %bits, i32 %lanes)
  ret void
}}

; `(2, 3)`, cut to 240 characters
define internal void @tw.shape_text(ptr %dims, i32 %ndim, ptr %buffer) cold {{
entry:
  store i16 40, ptr %buffer
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %item ]
  %used = phi i32 [ 1, %entry ], [ %used.next, %item ]
  %more = icmp slt i32 %i, %ndim
  %room = icmp slt i32 %used, 240
  %go = and i1 %more, %room
  br i1 %go, label %item, label %end
item:
  %first = icmp eq i32 %i, 0
  %form = select i1 %first, ptr {text.string("%lld")}, ptr {text.string(", %lld")}
  %slot = getelementptr i64, ptr %dims, i32 %i
  %value = load i64, ptr %slot
  %at = getelementptr i8, ptr %buffer, i32 %used
  %written = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %at, i64 24, ptr %form, i64 %value)
  %used.next = add i32 %used, %written
  %next = add i32 %i, 1
  br label %loop
end:
  %last = getelementptr i8, ptr %buffer, i32 %used
  %single = icmp eq i32 %ndim, 1
  %closing = select i1 %single, ptr {text.string(",)")}, ptr {text.string(")")}
  %closed = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %last, i64 3, ptr %closing)
  ret void
}}

; `a float32 tensor of shape (2, 3)`, or, for dtype -1, `the shape (2, 3)`
define internal void @tw.describe(ptr %shape, i32 %ndim, i32 %dtype, ptr %buffer) cold {{
entry:
  %dims = alloca [272 x i8]
  %name = alloca [48 x i8]
  call void @tw.shape_text(ptr %shape, i32 %ndim, ptr %dims)
  %plain = icmp eq i32 %dtype, -1
  br i1 %plain, label %shape.only, label %tensor
shape.only:
  %a = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %buffer, i64 400, ptr {text.string("the shape %s")}, ptr %dims)
  ret void
tensor:
  call void @tw.dtype_name(i32 %dtype, ptr %name)
  %b = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %buffer, i64 400, ptr {text.string("a %s tensor of shape %s")}, ptr %name, ptr %dims)
  ret void
}}
"""  # noqa: E501


def _checks(text: _Text) -> str:
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
{text.fail("wrong.device", "%s: expected %s, found a tensor on a device of type %d%s",
           "ptr %context", "ptr %text", "i32 %device",
           f"ptr {text.string(chr(10) + '  note: it should be on cpu:0')}")}
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
{text.fail("not.compact", "%s: expected %s, found a tensor with strides %s%s",
           "ptr %context", "ptr %text", "ptr %given",
           f"ptr {text.string(chr(10) + '  note: make it compact: tensor(x)')}")}
check.align:
  %align.ptr = getelementptr %tw.spec, ptr %spec, i32 0, i32 4
  %align = load i64, ptr %align.ptr
  %mask = sub i64 %align, 1
  %address = ptrtoint ptr %first to i64
  %low = and i64 %address, %mask
  %aligned = icmp eq i64 %low, 0
  br i1 %aligned, label %good, label %misaligned
{text.fail("misaligned", "%s: expected %s, found a misaligned tensor%s", "ptr %context",
           "ptr %text", f"ptr {text.string(chr(10) + '  note: make it aligned: tensor(x)')}")}
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
{text.fail("bad", "%s: expected %s, found %s" + chr(10)
           + "  note: dimension %d should be %lld, found %lld",
           "ptr %context", "ptr %text", "ptr %given", "i32 %i", "i64 %wanted", "i64 %size")}
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
{text.fail("wrong", "%s: expected a tuple of %lld, found one of %lld",
           "ptr %context", "i64 %wanted", "i64 %size")}
{text.fail("bad", "%s: expected a tuple of %lld, found %s",
           "ptr %context", "i64 %wanted", "ptr %tag.name")}
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
"""  # noqa: E501


def _values(text: _Text) -> str:
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
; deleter is `free`, so that the tensor may outlive the code that made it.
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
  %status = call i32 @posix_memalign(ptr %fresh, i64 64, i64 %size)
  %none = icmp ne i32 %status, 0
  br i1 %none, label %out.of.memory, label %fill
{text.fail("out.of.memory", "cannot allocate a tensor of %lld bytes", "i64 %bytes",
           kind="MemoryError")}
fill:
  %block = load ptr, ptr %fresh
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
  %context.ptr = getelementptr i8, ptr %block, i64 48
  store ptr null, ptr %context.ptr
  %deleter.ptr = getelementptr i8, ptr %block, i64 56
  store ptr @free, ptr %deleter.ptr
  call void @llvm.memcpy.p0.p0.i64(ptr %shape, ptr %dims, i64 %dims.bytes, i1 false)
  call void @tw.fill_strides(ptr %dims, ptr %strides, i32 %ndim)
  %wrapped = call i32 @TVMFFITensorFromDLPack(ptr %block, i32 0, i32 0, ptr %handle)
  %refused = icmp ne i32 %wrapped, 0
  br i1 %refused, label %give.up, label %good
give.up:
  call void @free(ptr %block)
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


def _calls(text: _Text) -> str:
    """Calls of packed functions, containers made by them, closures."""
    return f"""
@tw.array.name = private constant %tw.bytes {{ ptr {text.string("ffi.Array")}, i64 9 }}
@tw.array.cache = internal global ptr null, align 8
@tw.shape.name = private constant %tw.bytes {{ ptr {text.string("ffi.Shape")}, i64 9 }}
@tw.shape.cache = internal global ptr null, align 8

; Calls the global function of that name, kept in `cache` after the first call.
define i32 @tilewright_call_global(ptr %cache, ptr %name, ptr %args, i32 %count, ptr %out) {{
entry:
  %buffer = alloca [{BUFFER} x i8]
  %found = alloca ptr
  store i64 0, ptr %out
  %kept = load atomic ptr, ptr %cache acquire, align 8
  %known = icmp ne ptr %kept, null
  br i1 %known, label %call, label %find
find:
  store ptr null, ptr %found
  %status = call i32 @TVMFFIFunctionGetGlobal(ptr %name, ptr %found)
  %handle = load ptr, ptr %found
  %none = icmp eq ptr %handle, null
  br i1 %none, label %missing, label %keep
missing:
  call void @tw.clear_error()
  %name.text = load ptr, ptr %name
  br label %bad
{text.fail("bad", "global function `%s` is not registered", "ptr %name.text")}
keep:
  %exchange = cmpxchg ptr %cache, ptr null, ptr %handle acq_rel acquire
  %mine = extractvalue {{ ptr, i1 }} %exchange, 1
  br i1 %mine, label %call, label %drop
drop:
  %ignored = call i32 @TVMFFIObjectDecRef(ptr %handle)
  %other = extractvalue {{ ptr, i1 }} %exchange, 0
  br label %call
call:
  %function = phi ptr [ %kept, %entry ], [ %handle, %keep ], [ %other, %drop ]
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


def _arenas(text: _Text) -> str:
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


_PARTS = (_names, _checks, _values, _calls, _arenas, builtins_ir)
