"""One format for parameters and executables: a JSON header, then the tensors' raw bytes.

    8 bytes   magic
    u32       version of the format
    u32       CRC-32 of the header
    u64       size of the header in bytes
    header    JSON: {"content": ..., "tensors": [{"dtype", "shape", "offset", "nbytes"}, ...]}
    data      at the next multiple of 64; offsets count from there and are multiples of 64

All numbers are little-endian. Reading checks every size before it allocates.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tilewright.support.dtypes import DType, dtype_of
from tilewright.support.errors import ArgumentError

from .ndarray import Tensor, empty, from_numpy, tensor

MAGIC = b"TWTENSOR"
VERSION = 1
_HEADER = struct.Struct("<8sIIQ")
_ALIGNMENT = 64


def _padding(size: int) -> int:
    return -size % _ALIGNMENT


def _raw(value: Tensor) -> memoryview:
    """The bytes of a compact tensor."""
    array = value.view_numpy()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _host(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) and value.is_contiguous() else tensor(value)


def write(stream: BinaryIO, content: object, tensors: Sequence[Any]) -> None:
    """Writes `content` (JSON) and the tensors."""
    for piece in pieces(content, tensors):
        stream.write(piece)


def pieces(content: object, tensors: Sequence[Any]) -> list[bytes | memoryview]:
    """What `write` writes, in pieces: the tensors' memory is not copied."""
    compact = [_host(t) if not _on_device(t) else tensor(t.numpy()) for t in tensors]
    rows: list[dict[str, Any]] = []
    offset = 0
    for item in compact:
        row = {"dtype": str(item.dtype), "shape": list(item.shape), "offset": offset}
        rows.append({**row, "nbytes": item.nbytes})
        offset += item.nbytes + _padding(item.nbytes)
    try:
        text = json.dumps({"content": content, "tensors": rows}, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"only JSON can be written beside tensors: {error}") from None
    header = text.encode()
    start = _HEADER.pack(MAGIC, VERSION, zlib.crc32(header), len(header))
    made: list[bytes | memoryview] = [start, header, bytes(_padding(len(start) + len(header)))]
    for item in compact:
        made += [_raw(item), bytes(_padding(item.nbytes))]
    return made


def _on_device(value: Any) -> bool:
    return isinstance(value, Tensor) and value.device.type != "cpu"


def read(stream: BinaryIO, name: str = "data") -> tuple[Any, list[Tensor]]:
    """The content and the tensors. Raises `ArgumentError` on anything but what `write` wrote."""
    header = _read_header(stream, name)
    start = stream.tell()
    start += _padding(start)
    end = stream.seek(0, io.SEEK_END)
    tensors = [_read_tensor(stream, row, start, end, name) for row in _rows(header, name)]
    return header.get("content"), tensors


def view(data: memoryview, name: str = "data") -> tuple[Any, list[Tensor]]:
    """The content, and tensors over the memory of `data`, which must be writable and at a multiple
    of 64 bytes. Raises `ArgumentError` on anything but what `write` wrote."""
    size = _HEADER.unpack_from(data)[3] if data.nbytes >= _HEADER.size else 0
    start = _HEADER.size + size
    header = _read_header(io.BytesIO(data[:start]), name)
    start += _padding(start)
    tensors = [_tensor_over(data, row, start, name) for row in _rows(header, name)]
    return header.get("content"), tensors


def _tensor_over(data: memoryview, row: dict[str, Any], start: int, name: str) -> Tensor:
    shape, offset, dtype = _placed(row, start, data.nbytes, name)
    count = prod(shape)
    if not count:
        return empty(shape, dtype.name)
    flat = np.frombuffer(data, dtype.numpy, count, offset)
    return from_numpy(flat.reshape(shape), dtype.name)


def _read_header(stream: BinaryIO, name: str) -> dict[str, Any]:
    head = stream.read(_HEADER.size)
    if len(head) < _HEADER.size or head[:8] != MAGIC:
        raise ArgumentError(f"{name} is not a tilewright tensor file")
    _, version, crc, size = _HEADER.unpack(head)
    if version != VERSION:
        raise ArgumentError(
            f"{name} has format version {version}, this tilewright reads version {VERSION}"
        )
    text = stream.read(min(size, _remaining(stream)))
    if len(text) != size or zlib.crc32(text) != crc:
        raise ArgumentError(f"{name} is truncated or damaged: its header does not check out")
    header = json.loads(text)
    if not isinstance(header, dict):
        raise ArgumentError(f"{name} is damaged: its header is no table")
    return header


def _remaining(stream: BinaryIO) -> int:
    here = stream.tell()
    end = stream.seek(0, io.SEEK_END)
    stream.seek(here)
    return end - here


def _rows(header: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    rows = header.get("tensors")
    if not isinstance(rows, list):
        raise ArgumentError(f"{name} is damaged: its header lists no tensors")
    for index, row in enumerate(rows):
        if not _is_row(row):
            raise ArgumentError(f"{name} is damaged: tensor {index} is described by {row!r:.120}")
        yield row


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("shape"), list):
        return False
    numbers = [row.get("offset"), row.get("nbytes"), *row["shape"]]
    return isinstance(row.get("dtype"), str) and all(type(n) is int and n >= 0 for n in numbers)


def _read_tensor(stream: BinaryIO, row: dict[str, Any], start: int, end: int, name: str) -> Tensor:
    shape, offset, dtype = _placed(row, start, end, name)
    result = empty(shape, dtype.name)
    stream.seek(offset)
    if row["nbytes"]:
        stream.readinto(_raw(result))  # type: ignore[attr-defined]  # every real stream has it
    return result


def _placed(
    row: dict[str, Any], start: int, end: int, name: str
) -> tuple[tuple[int, ...], int, DType]:
    """Shape, place and element type of a tensor that the header describes."""
    shape, offset, nbytes = tuple(row["shape"]), start + row["offset"], row["nbytes"]
    dtype = dtype_of(str(row.get("dtype")))
    if prod(shape) * dtype.bytes != nbytes or offset + nbytes > end:
        raise ArgumentError(
            f"{name} is truncated or damaged: a tensor of shape {shape} and dtype {dtype.name} "
            f"should take bytes {offset} to {offset + nbytes} of {end}"
        )
    return shape, offset, dtype


def to_bytes(content: object, tensors: Sequence[Any]) -> bytes:
    """`write` into memory."""
    stream = io.BytesIO()
    write(stream, content, tensors)
    return stream.getvalue()


def from_bytes(
    data: bytes | bytearray | memoryview, name: str = "data"
) -> tuple[Any, list[Tensor]]:
    """`read` from memory."""
    return read(io.BytesIO(data), name)


def to_file(path: str | Path, content: object, tensors: Sequence[Any]) -> None:
    """`write` into a file, which appears whole or not at all."""
    target = Path(path)
    temporary = target.with_name(target.name + ".part")
    with temporary.open("wb") as stream:
        write(stream, content, tensors)
    temporary.replace(target)


def from_file(path: str | Path) -> tuple[Any, list[Tensor]]:
    """`read` from a file."""
    try:
        with Path(path).open("rb") as stream:
            return read(stream, str(path))
    except OSError as error:
        raise ArgumentError(f"cannot read {str(path)!r}: {error.strerror}") from None
