"""Models to measure and to test with, made on first use and kept in the user's cache directory.

`light_*` need only the `onnx` package (and ONNX Runtime to set their scales); the others need
`torch`, `onnxscript` and `transformers`. No weights are downloaded: they are drawn from a seed.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

import onnx

from tilewright.support.disk_cache import cache_root, user_root
from tilewright.support.errors import ArgumentError, listing
from tilewright.support.knobs import Knob

from . import exporters, light
from .networks import FIXED, NETWORKS, SETS, family

ZOO = Knob("ZOO", "", "directory of the model zoo; empty: `zoo` in the cache directory")
NAMES = (*NETWORKS, *(f"light_{name}" for name in light.NAMES))
EXPORT_NEEDS = ("torch", "onnxscript", "transformers")


def path(name: str, *, dynamic: bool = False, batch: int = 1, sequence: int = 128) -> Path:
    """The ONNX file of model `name` of `NAMES`, made if it is not there.

    `dynamic`: batch and sequence are symbols instead of sizes. `light_*` have a batch only.
    """
    sizes = {"batch": batch, "sequence": sequence}
    _check(name, dynamic, sizes)
    file = folder() / f"{name}{_suffix(name, dynamic, sizes)}.onnx"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}.part")
        _make(name, part, dynamic, sizes)
        part.replace(file)
    return file


def load(name: str, *, dynamic: bool = False) -> onnx.ModelProto:
    """Model `name` of `NAMES` in memory."""
    return onnx.load(str(path(name, dynamic=dynamic)))


def folder() -> Path:
    """Where the files are kept: `TILEWRIGHT_ZOO`, or `zoo` in the cache directory."""
    if ZOO.get():
        return Path(ZOO.get())
    return (cache_root() or user_root()) / "zoo"


def _suffix(name: str, dynamic: bool, sizes: Mapping[str, int]) -> str:
    """What a file's name adds to the model's: the sizes that are not those of `FIXED`."""
    if dynamic:
        return "_dynamic"
    symbols = NETWORKS[name].symbols if name in NETWORKS else {"batch"}
    return "".join(
        f"_{symbol}{size}"
        for symbol, size in sizes.items()
        if symbol in symbols and size != FIXED[symbol]
    )


def _check(name: str, dynamic: bool, sizes: Mapping[str, int]) -> None:
    if name not in NAMES:
        raise ArgumentError(
            f"no model {name!r} in the zoo", hint=f"there are {listing(NAMES, len(NAMES))}"
        )
    if dynamic and (name not in NETWORKS or not NETWORKS[name].dynamic):
        raise ArgumentError(f"{name} does not export with symbols")
    for symbol, size in sizes.items():
        if size < 1:
            raise ArgumentError(f"{symbol} is {size}, expected at least 1")


def _make(name: str, file: Path, dynamic: bool, sizes: Mapping[str, int]) -> None:
    if name.startswith("light_"):
        onnx.save(light.load(name.removeprefix("light_"), batch=sizes["batch"]), str(file))
        return
    missing = [m for m in EXPORT_NEEDS if importlib.util.find_spec(m) is None]
    if missing:
        raise ArgumentError(
            f"cannot export {name}: {listing(missing)} not installed",
            hint=f"pip install {' '.join(missing)}, or point {ZOO.variable} to exported files",
        )
    exporters.export(name, file, dynamic=dynamic, sizes=sizes)
