"""A cache of byte strings on disk, shared by processes: never wrong, never fatal, bounded."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from .knobs import CACHE, FALSE, Knob, read_environment

CACHE_SIZE = Knob("CACHE_SIZE", 4096, "largest size of the compilation cache in megabytes")
_HEADER = struct.Struct("<8sQI44x")  # what it is, size and CRC-32 of the body; 64 bytes
_MAGIC = b"TWCACHE2"
_WRITES_BETWEEN_TRIMS = 200


class DiskCache:
    """Entries `<root>/<kind>/<key>`; a damaged entry counts as missing, a full disk as no cache."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._writes = 0

    def directory(self) -> Path | None:
        """Where the entries lie, or None where the knob CACHE is `off`."""
        root = cache_root()
        return None if root is None else root / self.kind

    def get(self, key: str) -> bytes | None:
        """The bytes stored under `key`, or None."""
        body = self.open(key)
        return None if body is None else bytes(body)

    def open(self, key: str) -> memoryview | None:
        """The bytes stored under `key`, mapped from the file privately, or None.

        They lie at a multiple of 64 bytes, stay when the entry is dropped, and may be written to.
        """
        directory = self.directory()
        if directory is None:
            return None
        path = directory / key
        try:
            with path.open("rb") as file:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
            return None
        body = data[_HEADER.size :]
        if len(data) < _HEADER.size or _HEADER.unpack_from(data) != _header_of([body]):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # the entries used longest ago are dropped first
        return body

    def put(self, key: str, *parts: bytes | memoryview) -> None:
        """Stores `parts`, joined; readers see the whole entry or none of it."""
        directory = self.directory()
        if directory is None:
            return
        with contextlib.suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=directory, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_HEADER.pack(*_header_of(parts)))
                    for part in parts:
                        file.write(part)
                os.replace(temporary, directory / key)
            except OSError:
                os.unlink(temporary)
                raise
            if self._writes % _WRITES_BETWEEN_TRIMS == 0:
                self.trim(CACHE_SIZE.get() << 20)
            self._writes += 1

    def trim(self, limit: int) -> None:
        """Drops the entries used longest ago until at most `limit` bytes remain."""
        directory = self.directory()
        if directory is None or not directory.is_dir():
            return
        entries = []
        for path in directory.iterdir():
            with contextlib.suppress(OSError):
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= limit:
                return
            with contextlib.suppress(OSError):
                path.unlink()
            total -= size


def _header_of(parts: Sequence[bytes | memoryview]) -> tuple[bytes, int, int]:
    crc = size = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
        size += len(part)
    return _MAGIC, size, crc


def cache_root() -> Path | None:
    """The knob CACHE, else the user's cache directory; None where the knob says `off`, `0`, `no`
    or `false`."""
    named = CACHE.get()
    if named.lower() in FALSE:
        return None
    return Path(named) if named else user_root()


def user_root() -> Path:
    """The directory of this package in the user's cache directory."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(read_environment("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "tilewright"


def content_key(*parts: str | bytes) -> str:
    """The name of what is made from `parts`: a hash of all of them, in order."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
