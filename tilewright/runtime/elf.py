"""Whether a shared library's file is whole: the system's loader ends the process on a cut one."""

from __future__ import annotations

import struct
from pathlib import Path

_MAGIC = b"\x7fELF"
_WIDE, _LITTLE = 2, 1
# Of a 64-bit header from byte 32: program headers' and section headers' places; from byte 54:
# the size and number of each.
_PLACES, _SIZES = struct.Struct("<QQ"), struct.Struct("<HHHH")
_SEGMENT = struct.Struct("<IIQQQQ")


def cut_off(path: str | Path) -> str | None:
    """What is missing from a 64-bit little-endian ELF file, or None. Other files are not judged."""
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        header = file.read(64)
        if header[:4] != _MAGIC:
            return None
        if len(header) < 64:
            return f"its header has {len(header)} bytes of 64"
        if (header[4], header[5]) != (_WIDE, _LITTLE):
            return None
        segments_at, sections_at = _PLACES.unpack_from(header, 32)
        segment_size, segments, section_size, sections = _SIZES.unpack_from(header, 54)
        file.seek(min(segments_at, size))
        table = file.read(segment_size * segments)
    ends = [segments_at + segment_size * segments, sections_at + section_size * sections]
    if segment_size >= _SEGMENT.size:
        for start in range(0, len(table) - _SEGMENT.size + 1, segment_size):
            _, _, offset, _, _, length = _SEGMENT.unpack_from(table, start)
            ends.append(offset + length)
    return None if max(ends) <= size else f"it has {size} bytes of at least {max(ends)}"
