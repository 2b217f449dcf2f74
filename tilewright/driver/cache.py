"""Compiled modules kept on disk: what was compiled once is loaded in a fraction of a second.

The key is a digest of everything that the result depends on: the module with its constants, names
and spans; the target and the machine; the pipelines, pass options and settings; and this package's
own files. What cannot be described (a pipeline or an operator of the user's) is not kept.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import llvmlite
import numpy as np

from ..codegen.llvm.compile import Machine
from ..ir.instrument import knob_instruments
from ..ir.json import fingerprint
from ..ir.module import IRModule
from ..ir.op import Op
from ..ir.transform import PassContext
from ..runtime import serialize, tensor_file
from ..runtime.ndarray import from_numpy
from ..support import knobs
from ..support.disk_cache import CACHE_SIZE, DiskCache, content_key
from ..support.errors import TVMError
from ..target import Target
from ..target.machine import MachineModel
from .executable import CompiledExecutable

EXECUTABLES = DiskCache("executables")
PACKAGE = __name__.partition(".")[0]
OURS = frozenset((PACKAGE, "builtins", "math", "ml_dtypes", "numpy", "operator"))
NO_INFLUENCE = (knobs.CACHE.name, CACHE_SIZE.name)


def key_of(mod: IRModule, target: Target, options: Mapping[str, Any]) -> str | None:
    """The name of what `mod` compiles to, or None where it must be compiled every time.

    That is so with the cache off, under instruments (somebody wants to see the passes), and for
    whatever `fingerprint` cannot describe.
    """
    context = PassContext.current()
    if EXECUTABLES.directory() is None or context.instruments or knob_instruments():
        return None
    if not all(value is None or isinstance(value, str) for value in options.values()):
        return None
    content = fingerprint((mod, context.config))
    if content is None or foreign_operators():
        return None
    passes = (context.opt_level, context.required_pass, context.disabled_pass)
    return content_key(content, surroundings(target), repr((passes, sorted(options.items()))))


def surroundings(target: Target) -> str:
    """A digest of the target, the machine, the settings and the versions."""
    settings = [item for item in knobs.in_force().items() if item[0] not in NO_INFLUENCE]
    machine = MachineModel.of(target)
    features = sorted(machine.features)
    described = (target.export(), machine.cores, machine.cpu, machine.llvm_features, features)
    return content_key(
        repr(described), repr(machine.l1d), repr(machine.l2), repr(machine.l3),
        repr(sorted(settings, key=str)), llvmlite.__version__, np.__version__, package_digest(),
    )  # fmt: skip


@functools.cache
def package_digest() -> str:
    """A digest of names, sizes and times of this package's source files."""
    root = Path(__file__).resolve().parent.parent
    rows = []
    for path in sorted(root.rglob("*.py")):
        status = path.stat()
        rows.append(f"{path.relative_to(root)} {status.st_size} {status.st_mtime_ns}")
    return content_key(*rows)


def foreign_operators() -> bool:
    """Whether somebody outside this package declared or changed an operator."""
    return any(
        _is_foreign(value)
        for name in Op.list_op_names()
        for value in Op.get(name).attributes.values()
    )


def _is_foreign(value: object) -> bool:
    module = getattr(value, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] not in OURS


def load(key: str) -> CompiledExecutable | None:
    """The executable stored under `key`, its constants mapped from the file; None if none is."""
    data = EXECUTABLES.open(key)
    if data is None:
        return None
    try:
        content, tensors = tensor_file.view(data, "the cached executable")
        constants = tensors[: content["constants"]]
        objects = [t.view_numpy().tobytes() for t in tensors[content["constants"] :]]
        plain = serialize.from_json(content["executable"], constants)
        return CompiledExecutable(plain, objects, Machine(**content["machine"]))
    except (TVMError, KeyError, TypeError, ValueError):  # of another version, or damaged
        return None


def store(key: str, made: CompiledExecutable) -> None:
    """Keeps `made` under `key`; a full or read-only disk is no error."""
    plain = made.plain
    objects = [from_numpy(np.frombuffer(bytearray(data), np.uint8)) for data in made.objects]
    content = {
        "executable": serialize.to_json(plain),
        "constants": len(plain.constants),
        "machine": dict(made.machine.__dict__),
    }
    EXECUTABLES.put(key, *tensor_file.pieces(content, [*plain.constants, *objects]))
