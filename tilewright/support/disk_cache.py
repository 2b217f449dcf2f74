"""A cache of byte strings on disk, shared by processes: never wrong, never fatal, bounded."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

from .knobs import CACHE, Knob, read_environment

CACHE_SIZE = Knob("CACHE_SIZE", 1024, "largest size of the compilation cache in megabytes")
_MAGIC = b"TWCACHE1"
_HEADER = len(_MAGIC) + 32
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
        directory = self.directory()
        if directory is None:
            return None
        path = directory / key
        try:
            data = path.read_bytes()
        except OSError:
            return None
        body = data[_HEADER:]
        if data[:_HEADER] != _MAGIC + hashlib.sha256(body).digest():
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # the entries used longest ago are dropped first
        return body

    def put(self, key: str, body: bytes) -> None:
        """Stores `body`; readers see the whole entry or none of it."""
        directory = self.directory()
        if directory is None:
            return
        with contextlib.suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=directory, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_MAGIC + hashlib.sha256(body).digest())
                    file.write(body)
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


def cache_root() -> Path | None:
    """The knob CACHE, else the user's cache directory; None where the knob says `off`."""
    named = CACHE.get()
    if named == "off":
        return None
    return Path(named) if named else _user_cache() / "tilewright"


def _user_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(read_environment("XDG_CACHE_HOME") or Path.home() / ".cache")


def content_key(*parts: str | bytes) -> str:
    """The name of what is made from `parts`: a hash of all of them, in order."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
