"""Temporary folders that clean up after themselves."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from tilewright.support.errors import TVMError


class DirectoryCreatedPastAtExit(TVMError):
    """A temporary folder was asked for while the process ends."""


class TempDirectory:
    """A folder that goes with the object, or at the end of the process.

    Within `TempDirectory.set_keep_for_debug()` folders are kept, to be looked at.
    """

    TEMPDIRS: ClassVar[set[str] | None] = set()
    _KEEP_FOR_DEBUG: ClassVar[bool] = False

    def __init__(self, custom_path: str | None = None, keep_for_debug: bool | None = None) -> None:
        if TempDirectory.TEMPDIRS is None:
            raise DirectoryCreatedPastAtExit("the process ends: no folder is made any more")
        kept = TempDirectory._KEEP_FOR_DEBUG if keep_for_debug is None else keep_for_debug
        self._created_with_keep_for_debug = kept
        if custom_path is not None:
            os.makedirs(custom_path, exist_ok=True)
        self.temp_dir = custom_path or tempfile.mkdtemp(prefix="tilewright-")
        if not kept:
            TempDirectory.TEMPDIRS.add(self.temp_dir)

    @classmethod
    @contextlib.contextmanager
    def set_keep_for_debug(cls, set_to: bool = True) -> Iterator[None]:
        """Folders made inside are kept."""
        before, cls._KEEP_FOR_DEBUG = cls._KEEP_FOR_DEBUG, set_to
        try:
            yield
        finally:
            cls._KEEP_FOR_DEBUG = before

    @classmethod
    def remove_tempdirs(cls) -> None:
        """Removes all folders; none can be made afterwards."""
        for path in cls.TEMPDIRS or ():
            shutil.rmtree(path, ignore_errors=True)
        cls.TEMPDIRS = None

    @property
    def path(self) -> str:
        """Where the folder is."""
        return self.temp_dir

    def relpath(self, name: str) -> str:
        """The path of `name` inside the folder."""
        return os.path.join(self.temp_dir, name)

    def listdir(self) -> list[str]:
        """The names of what is inside."""
        return os.listdir(self.temp_dir)

    def remove(self) -> None:
        """Removes the folder, if it is there."""
        known = TempDirectory.TEMPDIRS
        if known is not None and self.temp_dir in known:
            known.discard(self.temp_dir)
            shutil.rmtree(self.temp_dir, ignore_errors=True)

    def __truediv__(self, name: str) -> Path:
        return Path(self.temp_dir) / name

    def __del__(self) -> None:
        if not getattr(self, "_created_with_keep_for_debug", True):
            self.remove()


atexit.register(TempDirectory.remove_tempdirs)


def tempdir(custom_path: str | None = None, keep_for_debug: bool | None = None) -> TempDirectory:
    """A new temporary folder."""
    return TempDirectory(custom_path, keep_for_debug)


def is_source_path(path: str) -> bool:
    """Whether a path looks like a file of C, C++ or CUDA source."""
    return os.path.splitext(path)[1] in (".c", ".cc", ".cpp", ".cxx", ".cu")
