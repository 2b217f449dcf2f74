"""The one place through which `tvm_ffi` is imported.

Importing `tvm_ffi` imports torch where it is installed: 1.5 s that nobody asked for. Nothing needs
it: torch's tensors carry the DLPack exchange interface on their class, whoever is imported first.
So torch is kept out of sight while `tvm_ffi` loads, unless the program has imported it already.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType

from tilewright.support.knobs import environment

_EXCHANGE_ATTRIBUTES = ("__dlpack_c_exchange_api__", "__c_dlpack_exchange_api__")


class _Hidden(MetaPathFinder):
    """Makes `import <name>` fail as if it were not installed, for the thread that made this."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Raises for the hidden module; has no opinion on others."""
        if fullname == self.name and threading.get_ident() == self.thread:
            raise ModuleNotFoundError(
                f"{fullname} is not imported on tvm_ffi's behalf", name=fullname
            )


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    finder = _Hidden(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def _torch_left_alone() -> Iterator[None]:
    """Neither imports torch nor, for an old torch, compiles an extension of it (half a minute)."""
    torch = sys.modules.get("torch")
    if torch is None:
        with _hidden("torch"):
            yield
    elif any(hasattr(getattr(torch, "Tensor", None), name) for name in _EXCHANGE_ATTRIBUTES):
        yield
    else:
        with environment("TVM_FFI_DISABLE_TORCH_C_DLPACK", "1"):
            yield


with _torch_left_alone():
    import tvm_ffi
    from tvm_ffi import core, serialization

__all__ = ["core", "serialization", "tvm_ffi"]
