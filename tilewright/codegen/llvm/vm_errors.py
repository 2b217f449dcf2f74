"""The model's nodes added to errors of compiled functions, as LLVM IR."""

from __future__ import annotations

from tilewright.support.errors import (
    ArgumentError,
    ArgumentRangeError,
    ArgumentTypeError,
    RuntimeFailure,
)

from .vm_text import Text

OWN_KINDS = tuple(
    error.__name__
    for error in (ArgumentError, ArgumentTypeError, ArgumentRangeError, RuntimeFailure)
)


def errors_ir(text: Text) -> str:
    """`tilewright_locate(span)`: the raised error, if it is one of ours, names the place.

    The place comes before the notes, as in the text of `TVMError`; an error that has one keeps it.
    """
    kinds = "\n".join(_compare(text, i, kind) for i, kind in enumerate(OWN_KINDS))
    return f"""
declare void @TVMFFIErrorSetRaised(ptr)
declare i32 @TVMFFIErrorCreate(ptr, ptr, ptr, ptr)
declare i32 @strcmp(ptr, ptr)
declare ptr @strstr(ptr, ptr)

define void @tilewright_locate(ptr %span) cold {{
entry:
  %raised = alloca ptr
  %made = alloca ptr
  %bytes = alloca %tw.bytes
  store ptr null, ptr %raised
  call void @TVMFFIErrorMoveFromRaised(ptr %raised)
  %error = load ptr, ptr %raised
  %none = icmp eq ptr %error, null
  br i1 %none, label %end, label %kind.0
end:
  ret void
; an error object: header, then kind, message and backtrace as bytes
{kinds}
kind.{len(OWN_KINDS)}:
  br label %restore
ours:
  %message.ptr = getelementptr i8, ptr %error, i64 40
  %message = load ptr, ptr %message.ptr
  %placed = call ptr @strstr(ptr %message, ptr {text.string(chr(10) + "  --> ")})
  %has.place = icmp ne ptr %placed, null
  br i1 %has.place, label %restore, label %compose
compose:
  %note = call ptr @strstr(ptr %message, ptr {text.string(chr(10) + "  note: ")})
  %plain = icmp eq ptr %note, null
  %length = call i64 @strlen(ptr %message)
  %all = getelementptr i8, ptr %message, i64 %length
  %split = select i1 %plain, ptr %all, ptr %note
  %start = ptrtoint ptr %message to i64
  %stop = ptrtoint ptr %split to i64
  %head.long = sub i64 %stop, %start
  %head = trunc i64 %head.long to i32
  %span.length = call i64 @strlen(ptr %span)
  %both = add i64 %length, %span.length
  %room = add i64 %both, 16
  %buffer = call ptr @malloc(i64 %room)
  %missing = icmp eq ptr %buffer, null
  br i1 %missing, label %restore, label %write
write:
  %size = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %buffer, i64 %room,
    ptr {text.string("%.*s" + chr(10) + "  --> %s%s")}, i32 %head, ptr %message, ptr %span,
    ptr %split)
  %size.long = sext i32 %size to i64
  store ptr %buffer, ptr %bytes
  %size.ptr = getelementptr %tw.bytes, ptr %bytes, i32 0, i32 1
  store i64 %size.long, ptr %size.ptr
  %kind.cell = getelementptr i8, ptr %error, i64 24
  %backtrace = getelementptr i8, ptr %error, i64 56
  %status = call i32 @TVMFFIErrorCreate(ptr %kind.cell, ptr %bytes, ptr %backtrace, ptr %made)
  call void @free(ptr %buffer)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %restore, label %replace
replace:
  %new = load ptr, ptr %made
  call void @TVMFFIErrorSetRaised(ptr %new)
  %a = call i32 @TVMFFIObjectDecRef(ptr %new)
  %b = call i32 @TVMFFIObjectDecRef(ptr %error)
  ret void
restore:
  call void @TVMFFIErrorSetRaised(ptr %error)
  %c = call i32 @TVMFFIObjectDecRef(ptr %error)
  ret void
}}
"""


def _compare(text: Text, index: int, kind: str) -> str:
    return f"""kind.{index}:
  %kind.ptr.{index} = getelementptr i8, ptr %error, i64 24
  %kind.{index}.text = load ptr, ptr %kind.ptr.{index}
  %order.{index} = call i32 @strcmp(ptr %kind.{index}.text, ptr {text.string(kind)})
  %same.{index} = icmp eq i32 %order.{index}, 0
  br i1 %same.{index}, label %ours, label %kind.{index + 1}"""
