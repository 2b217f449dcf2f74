"""Reads and writes the little of ELF that linking needs: symbol tables, and objects of data."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tilewright.support.errors import ArgumentError

MACHINES = {"x86_64": 62, "aarch64": 183, "arm64": 183, "riscv64": 243}
_RISCV_FLAGS = 0x5  # compressed instructions, double-float ABI: what the objects it meets carry
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_SYMTAB, _STRTAB, _PROGBITS = 2, 3, 1
_LOCAL, _GLOBAL, _WEAK = 0, 1, 2
_ALLOCATED, _LARGE = 2, 0x10000000
_LARGE_FROM = 512 << 20  # beyond this, x86-64 code could no longer reach what lies behind the data


@dataclass(frozen=True)
class Symbols:
    """The names that an object defines for others, and those that it needs from others."""

    defined: frozenset[str]
    undefined: frozenset[str]


def read_symbols(data: bytes) -> Symbols:
    """The symbols of a 64-bit little-endian ELF object."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ArgumentError("expected a 64-bit little-endian ELF object", note=repr(data[:8]))
    header = _HEADER.unpack_from(data)
    offset, size, count = header[6], header[11], header[12]
    sections = [_SECTION.unpack_from(data, offset + i * size) for i in range(count)]
    defined, undefined = set(), set()
    for _, kind, _, _, start, length, link, *_ in sections:
        if kind != _SYMTAB:
            continue
        names = sections[link][4]
        for at in range(start, start + length, _SYMBOL.size):
            name, info, _, section, _, _ = _SYMBOL.unpack_from(data, at)
            binding = info >> 4
            if not name or binding == _LOCAL:
                continue
            text = data[names + name : data.index(b"\0", names + name)].decode()
            if section != 0:
                defined.add(text)
            elif binding != _WEAK:
                undefined.add(text)
    return Symbols(frozenset(defined), frozenset(undefined))


@dataclass(frozen=True)
class Blob:
    """Named bytes for `write_data_object`."""

    name: str
    data: bytes | memoryview
    align: int = 64


def write_data_object(path: Path, blobs: Sequence[Blob], architecture: str) -> None:
    """Writes an object whose read-only section holds `blobs`, each under a global symbol.

    The bytes go straight to the file, so a model's gigabytes cost one copy.
    """
    if architecture not in MACHINES:
        raise ArgumentError(
            f"cannot write ELF data for {architecture!r}", hint=f"one of {', '.join(MACHINES)}"
        )
    offsets, size = _layout(blobs)
    names = b"\0" + b"".join(blob.name.encode() + b"\0" for blob in blobs)
    large = architecture == "x86_64" and size > _LARGE_FROM
    section = ".lrodata.tilewright" if large else ".rodata.tilewright"
    flags = _ALLOCATED | (_LARGE if large else 0)
    section_names = f"\0{section}\0.symtab\0.strtab\0.shstrtab\0.note.GNU-stack\0".encode()
    symbols = _SYMBOL.pack(0, 0, 0, 0, 0, 0)
    at = 1
    for blob, offset in zip(blobs, offsets, strict=True):
        symbols += _SYMBOL.pack(at, _GLOBAL << 4 | 1, 0, 1, offset, len(blob.data))
        at += len(blob.name.encode()) + 1
    start = 4096  # a page-aligned section lets the linker and the loader map it as it is
    symbols_at = -(-(start + size) // 8) * 8
    names_at = symbols_at + len(symbols)
    section_names_at = names_at + len(names)
    table_at = -(-(section_names_at + len(section_names)) // 8) * 8

    def named(text: str) -> int:
        return section_names.index(b"\0" + text.encode() + b"\0") + 1

    table = [
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (named(section), _PROGBITS, flags, 0, start, size, 0, 0, 4096, 0),
        (named(".symtab"), _SYMTAB, 0, 0, symbols_at, len(symbols), 3, 1, 8, _SYMBOL.size),
        (named(".strtab"), _STRTAB, 0, 0, names_at, len(names), 0, 0, 1, 0),
        (named(".shstrtab"), _STRTAB, 0, 0, section_names_at, len(section_names), 0, 0, 1, 0),
        (named(".note.GNU-stack"), _PROGBITS, 0, 0, table_at, 0, 0, 0, 1, 0),
    ]
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    abi = _RISCV_FLAGS if architecture == "riscv64" else 0
    header = _HEADER.pack(
        identity, 1, MACHINES[architecture], 1, 0, 0, table_at, abi,
        _HEADER.size, 0, 0, _SECTION.size, len(table), 4,
    )  # fmt: skip
    with open(path, "wb") as file:
        file.write(header)
        for blob, offset in zip(blobs, offsets, strict=True):
            file.seek(start + offset)
            file.write(blob.data)
        file.seek(symbols_at)
        file.write(symbols + names + section_names)
        file.seek(table_at)
        file.write(b"".join(_SECTION.pack(*row) for row in table))


def _layout(blobs: Sequence[Blob]) -> tuple[list[int], int]:
    offsets, size = [], 0
    for blob in blobs:
        size = -(-size // blob.align) * blob.align
        offsets.append(size)
        size += len(blob.data)
    return offsets, size
