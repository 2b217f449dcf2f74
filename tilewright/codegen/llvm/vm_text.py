"""String constants and error messages of the support module, and readable names for messages."""

from __future__ import annotations

from .threadpool import c_string

BUFFER = 1024


class Text:
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


def names_ir(text: Text) -> str:
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
