"""Exports an executable: a shared library that needs no Python, or an archive of objects.

The library holds the functions as `__tvm_ffi_<name>`, the kernels, the thread pool, the weights (as
a page-aligned section that the system maps) and the instruction lists. Its two further functions,
`tilewright_executable()` and `tilewright_constant(i)`, give the latter back to the interpreter.
"""

from __future__ import annotations

import ctypes
import io
import json
import tarfile
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tilewright.ffi import core
from tilewright.runtime import serialize
from tilewright.runtime.executable import Executable
from tilewright.runtime.library import ExecutableModule, register_loader
from tilewright.support.digest import data_digests
from tilewright.support.disk_cache import content_key
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import ArgumentError, listing

from .compile import Machine, compile_module, host_machine
from .elf import Blob, read_symbols, write_data_object
from .jit import JITModule
from .linkers import Linker, LinkError, find_linker, is_native, system_libraries
from .native_module import bind_constants, check_constant, compile_executable
from .threadpool import c_string
from .vm_emitter import dtype_bits, quote
from .vm_support import support_ir

ARCHIVE_SUFFIXES = (".tw", ".tar")
ELF_SUFFIX = ".so"
LIBRARY_SUFFIXES = (ELF_SUFFIX, ".dylib", ".dll")
DIGEST = "digest"
_CONSTANT = "tilewright_constant_{}"
_METADATA = "tilewright_metadata"


def export_library(
    path: str | Path,
    executable: Executable,
    kernels: Sequence[bytes] = (),
    machine: Machine | None = None,
    *,
    failing: Collection[str] | None = None,
) -> Path:
    """Writes the executable to `path`: an archive if it ends in `.tw` or `.tar`, else a library.

    A library needs a linker (see `find_linker`); raises `LinkError` if there is none. It loads with
    `tvm_ffi.load_module` from Python, C++ or Rust, and with `tilewright.runtime.load_module`.
    """
    path = Path(path)
    machine = machine or host_machine()
    _check_path(path, machine)
    for i, constant in enumerate(executable.constants):
        check_constant(constant, i)
    functions = compile_executable(executable, kernels, machine, failing=failing)
    if path.suffix in ARCHIVE_SUFFIXES:
        _write_archive(path, executable, [*kernels, functions], machine)
    else:
        _write_library(path, executable, [*kernels, functions], machine)
    return path


def _check_path(path: Path, machine: Machine) -> None:
    """Refuses what `load_module` could not read again."""
    if path.is_dir():
        raise ArgumentError(f"cannot export to {str(path)!r}: it is a folder", hint="name a file")
    if not path.parent.is_dir():
        raise ArgumentError(
            f"cannot export to {str(path)!r}: there is no folder {str(path.parent)!r}",
            hint="make the folder first",
        )
    known = (*LIBRARY_SUFFIXES, *ARCHIVE_SUFFIXES)
    if path.suffix not in known:
        raise ArgumentError(
            f"cannot export to {str(path)!r}: no kind of file ends in {path.suffix!r}",
            hint=f"known are {listing(known)}",
        )
    if machine.is_elf and path.suffix in LIBRARY_SUFFIXES and path.suffix != ELF_SUFFIX:
        raise LinkError(
            f"cannot export to {str(path)!r}: a library for {machine.triple} is an ELF file",
            hint=f"use a path that ends in `{ELF_SUFFIX}`",
        )


def _write_library(
    path: Path, executable: Executable, objects: Sequence[bytes], machine: Machine
) -> None:
    if not machine.is_elf:
        raise LinkError(
            f"libraries for {machine.triple} cannot be made yet",
            hint="export to a path that ends in `.tw`",
        )
    linker = find_linker(machine)
    glue = compile_module(_glue_ir(executable.constants, machine.triple), machine)
    support = compile_module(support_ir(machine.triple), machine)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".link-") as name:
        folder = Path(name)
        inputs = []
        for i, data in enumerate([*objects, glue, support]):
            inputs.append(folder / f"{i}.o")
            inputs[-1].write_bytes(data)
        weights = folder / "weights.o"
        write_data_object(weights, _blobs(executable), machine.architecture)
        everything = [*objects, glue, support]
        exported = _exported(objects)
        (folder / "exports").write_text(_version_script(exported))
        stub = _stub(folder, everything, machine, linker)
        options = [
            "-z nodelete", f"--version-script={folder / 'exports'}", f"-soname={path.name}",
            "--build-id=none",
        ]  # fmt: skip
        libraries = _libraries(linker, machine)
        if libraries:
            options.append("-z defs")
        target = folder / "library.so"
        linker.link(target, [*inputs, weights, stub, *libraries], options)
        target.replace(path)


def _libraries(linker: Linker, machine: Machine) -> list[str]:
    if linker.driver:
        return ["-Wl,--as-needed", "-lm", "-lpthread", "-ldl"]
    return system_libraries() if is_native(machine) else []


def _exported(objects: Sequence[bytes]) -> list[str]:
    """What the library shows: the functions and the bare kernels, not what they share."""
    names = {name for data in objects for name in read_symbols(data).defined}
    own = {"__tvm_ffi_tilewright_executable", "__tvm_ffi_tilewright_constant"}
    return sorted({n for n in names if not n.startswith("tilewright_")} | own)


def _version_script(names: Sequence[str]) -> str:
    rows = "".join(f'    "{name}";\n' for name in names)
    return f"{{\n  global:\n{rows}  local: *;\n}};\n"


def _stub(folder: Path, objects: Sequence[bytes], machine: Machine, linker: Linker) -> Path:
    """A library named `libtvm_ffi.so` with what is needed of it, so that the real one need not be
    there for every architecture; the loader binds to the real one by that name."""
    names = sorted({n for data in objects for n in read_symbols(data).undefined})
    bodies = [f"define void {quote(n)}() {{ ret void }}" for n in names if n.startswith("TVMFFI")]
    data = compile_module("\n".join(bodies), machine)
    (folder / "stub.o").write_bytes(data)
    stub = folder / "libtvm_ffi.so"
    extra = ["-nostdlib"] if linker.driver else []
    linker.link(stub, [folder / "stub.o", *extra], ["-soname=libtvm_ffi.so"])
    return stub


def _bytes(constant: core.Tensor) -> bytes | memoryview:
    """The constant's memory, not copied."""
    dtype = dtype_of(str(constant.dtype))
    size = (constant.numel() * dtype.bits * dtype.lanes + 7) // 8
    if size == 0:
        return b""
    return memoryview((ctypes.c_uint8 * size).from_address(constant.data_ptr())).cast("B")


def metadata(executable: Executable) -> bytes:
    """The instruction lists as JSON."""
    return json.dumps(serialize.to_json(executable)).encode()


def _blobs(executable: Executable) -> list[Blob]:
    constants = [Blob(_CONSTANT.format(i), _bytes(c)) for i, c in enumerate(executable.constants)]
    return [*constants, Blob(_METADATA, metadata(executable) + b"\0")]


def _glue_ir(constants: Sequence[core.Tensor], triple: str) -> str:
    """What makes tensors of the weights when the library is loaded, and hands them out."""
    rows = [_describe(i, constant) for i, constant in enumerate(constants)]
    count = len(constants)
    managed = ", ".join(f"ptr @m{i}" for i in range(count))
    parts = [
        f'target triple = "{triple}"',
        *rows,
        f"@all = internal constant [{count} x ptr] [{managed}]",
        f"@text.kind = private constant {c_string('ArgumentError')}",
        f"@text.index = private constant {c_string('there is no such constant')}",
        _GLUE.replace("$count", str(count)),
    ]
    return "\n".join(parts)


def _describe(index: int, constant: core.Tensor) -> str:
    """The constant as a static DLManagedTensor without a deleter."""
    shape = [int(d) for d in constant.shape]
    strides = [int(np.prod(shape[i + 1 :], dtype=np.int64)) for i in range(len(shape))]
    name = _CONSTANT.format(index)
    numbers = ", ".join(f"i64 {v}" for v in (*shape, *strides))
    return (
        f"@{name} = external global i8\n"
        f"@s{index} = internal constant [{2 * len(shape)} x i64] [{numbers}]\n"
        f"@m{index} = internal global {{ ptr, i32, i32, i32, i32, ptr, ptr, i64, ptr, ptr }} {{ "
        f"ptr @{name}, i32 1, i32 0, i32 {len(shape)}, i32 {dtype_bits(str(constant.dtype))}, "
        f"ptr @s{index}, ptr getelementptr (i64, ptr @s{index}, i64 {len(shape)}), i64 0, "
        "ptr null, ptr null }"
    )


_GLUE = """
@tilewright_metadata = external global i8
@tilewright_constant_data = external global [$count x ptr]
@tilewright_constant_objects = external global [$count x ptr]
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [
  { i32, ptr, ptr } { i32 65535, ptr @load, ptr null }
]
declare i32 @TVMFFITensorFromDLPack(ptr, i32, i32, ptr)
declare i32 @TVMFFIStringFromByteArray(ptr, ptr)
declare void @TVMFFIErrorSetRaisedFromCStr(ptr, ptr)
declare i32 @tilewright_own(ptr, ptr)
declare i32 @tilewright_as_int(ptr, ptr, ptr)
declare ptr @tilewright_runtime_table()
declare i64 @strlen(ptr)

define internal void @load() {
entry:
  %table = call ptr @tilewright_runtime_table()
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %item ]
  %more = icmp ult i64 %i, $count
  br i1 %more, label %item, label %end
item:
  %slot = getelementptr ptr, ptr @all, i64 %i
  %managed = load ptr, ptr %slot
  %data = load ptr, ptr %managed
  %data.slot = getelementptr ptr, ptr @tilewright_constant_data, i64 %i
  store ptr %data, ptr %data.slot
  %object.slot = getelementptr ptr, ptr @tilewright_constant_objects, i64 %i
  %status = call i32 @TVMFFITensorFromDLPack(ptr %managed, i32 0, i32 0, ptr %object.slot)
  %next = add i64 %i, 1
  br label %loop
end:
  ret void
}

define i32 @__tvm_ffi_tilewright_executable(ptr %self, ptr %args, i32 %given, ptr %ret) {
  %bytes = alloca { ptr, i64 }
  %size = call i64 @strlen(ptr @tilewright_metadata)
  store ptr @tilewright_metadata, ptr %bytes
  %slot = getelementptr { ptr, i64 }, ptr %bytes, i32 0, i32 1
  store i64 %size, ptr %slot
  %status = call i32 @TVMFFIStringFromByteArray(ptr %bytes, ptr %ret)
  ret i32 %status
}

; the constant of that index, or the number of constants for -1
define i32 @__tvm_ffi_tilewright_constant(ptr %self, ptr %args, i32 %given, ptr %ret) {
entry:
  %index.ptr = alloca i64
  %any = alloca { i64, i64 }
  %none = icmp slt i32 %given, 1
  br i1 %none, label %bad, label %parse
parse:
  %status = call i32 @tilewright_as_int(ptr %args, ptr %index.ptr, ptr @text.index)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %fail, label %look
look:
  %index = load i64, ptr %index.ptr
  %value = getelementptr i64, ptr %ret, i64 1
  %all = icmp eq i64 %index, -1
  br i1 %all, label %count, label %one
count:
  store i64 1, ptr %ret
  store i64 $count, ptr %value
  ret i32 0
one:
  %inside = icmp ult i64 %index, $count
  br i1 %inside, label %give, label %bad
give:
  %slot = getelementptr ptr, ptr @tilewright_constant_objects, i64 %index
  %object = load ptr, ptr %slot
  store i64 70, ptr %any
  %any.value = getelementptr i64, ptr %any, i64 1
  store ptr %object, ptr %any.value
  %owned = call i32 @tilewright_own(ptr %any, ptr %ret)
  ret i32 %owned
bad:
  call void @TVMFFIErrorSetRaisedFromCStr(ptr @text.kind, ptr @text.index)
  br label %fail
fail:
  ret i32 -1
}
"""


# ---- archives ------------------------------------------------------------------------------------


def _write_archive(
    path: Path, executable: Executable, objects: Sequence[bytes], machine: Machine
) -> None:
    entries = {f"objects/{i:06}.o": data for i, data in enumerate(objects)}
    entries["machine.json"] = json.dumps(asdict(machine)).encode()
    entries["executable"] = serialize.to_bytes(executable)
    entries[DIGEST] = _digest(entries)
    with tarfile.open(path, "w") as archive:
        for name, data in entries.items():
            _add(archive, name, data)


def _digest(entries: Mapping[str, bytes]) -> bytes:
    """A digest of every part but its own."""
    names = sorted(name for name in entries if name != DIGEST)
    digests = data_digests([memoryview(entries[name]) for name in names])
    return content_key(*names, *digests).encode()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def load_archive(path: str | Path) -> Executable:
    """The executable in an archive, its code linked and loaded. `native` and `kernels` are set.

    Raises `ArgumentError` for a file of another kind, one that was cut off or changed, and for
    code of another machine.
    """
    data = _read_archive(path)
    try:
        machine = Machine(**json.loads(data["machine.json"]))
        executable = serialize.from_bytes(data["executable"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArgumentError(
            f"{path} was written by another version of tilewright: {error}",
            hint="compile the model again",
        ) from None
    if not is_native(machine):
        raise ArgumentError(f"{path} was compiled for {machine.triple}, not for this machine")
    module = JITModule([data[name] for name in sorted(data) if name.startswith("objects/")])
    bind_constants(module, executable.constants)
    executable.native = executable.kernels = module
    return executable


def _read_archive(path: str | Path) -> dict[str, bytes]:
    """The parts of an archive, proved to be those that were written."""
    try:
        with tarfile.open(path) as archive:
            entries = {m.name: archive.extractfile(m) for m in archive if m.isfile()}
            data = {name: file.read() for name, file in entries.items() if file is not None}
    except (tarfile.TarError, EOFError, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise ArgumentError(f"{path} is no archive of tilewright: {reason}") from None
    if DIGEST not in data:
        raise ArgumentError(f"{path} is no archive of tilewright, or was cut off")
    if data[DIGEST] != _digest(data):
        raise ArgumentError(
            f"{path} is damaged: its parts are not those that were written",
            hint="export it again",
        )
    return data


for _suffix in ARCHIVE_SUFFIXES:
    register_loader(_suffix, lambda path: ExecutableModule(load_archive(path)))

__all__ = ["LinkError", "export_library", "load_archive", "metadata"]
