"""Digests of large memory: pieces are hashed side by side, outside Python's lock."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

_PIECE = 8 << 20


def data_digest(data: memoryview) -> bytes:
    """32 bytes that depend on every byte of `data`; the same on every machine.

    One hash of the whole for small data, else the hash of the pieces' hashes.
    """
    if data.nbytes <= _PIECE:
        return hashlib.sha256(data).digest()
    flat = data.cast("B")
    pieces = [flat[start : start + _PIECE] for start in range(0, flat.nbytes, _PIECE)]
    return hashlib.sha256(b"".join(data_digests(pieces))).digest()


def data_digests(items: Sequence[memoryview]) -> list[bytes]:
    """The hash of each item, computed on all processors."""
    with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:  # a pool kept would break forks
        return list(pool.map(_hash, items))


def _hash(data: memoryview) -> bytes:
    return hashlib.sha256(data).digest()
