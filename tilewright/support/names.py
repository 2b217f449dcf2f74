"""Which names of TVM's Python API resolve here, weighed by how often scripts use them.

A table of names has sections `## alias = module` with entries `.name uses/files`; the one that
comes with the package was counted over TVM's own scripts and tests of mid-2025.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ArgumentError, listing
from .public import ROOT

TABLE = Path(__file__).with_name("tvm_names.txt")
RECEIVERS = {
    "sch": ("tir:Schedule",),
    "bb": ("relax:BlockBuilder",),
    "mod": ("ir:IRModule",),
    "vm": ("relax:VirtualMachine",),
    "ana": ("arith:Analyzer",),
    "ex/lib": ("driver:CompiledExecutable", "tir:PrimFunc", "relax:Function", "runtime:Module"),
    "remote/tracker/session": ("rpc:RPCSession", "rpc:TrackerSession"),
    "target/dev": ("target:Target", "runtime:Device"),
    "nd array": ("nd:NDArray",),
}
"""Alias of a variable -> the classes that it may be an object of."""
_ENTRY = re.compile(r"\.([\w.]+) (\d+)/(\d+)")
_MISSING = object()


@dataclass(frozen=True)
class UsedName:
    """A name below an alias, how often it is used, and in how many files."""

    name: str
    uses: int
    files: int


@dataclass(frozen=True)
class Coverage:
    """What of an alias resolves."""

    alias: str
    names: int
    uses: int
    missing: tuple[UsedName, ...]

    @property
    def covered(self) -> int:
        """The uses of names that resolve."""
        return self.uses - sum(entry.uses for entry in self.missing)

    @property
    def share(self) -> float:
        """The covered share of the uses, in percent."""
        return share([self])


def share(rows: Sequence[Coverage]) -> float:
    """The covered share of the uses of several aliases, in percent."""
    uses = sum(row.uses for row in rows)
    return 100.0 * sum(row.covered for row in rows) / uses if uses else 100.0


def read_table(path: str | Path = TABLE) -> dict[str, tuple[str, list[UsedName]]]:
    """Alias -> where its names are looked up, and the names. Raises `ArgumentError` for a file
    that has no sections."""
    found: dict[str, tuple[str, list[UsedName]]] = {}
    for part in re.split(r"^## ", Path(path).read_text(), flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        body = re.split(r"^# ", body, flags=re.MULTILINE)[0]
        alias, _, module = re.sub(r"\(.*", "", title).strip().partition(" = ")
        entries = [UsedName(n, int(u), int(f)) for n, u, f in _ENTRY.findall(body)]
        found[alias.strip()] = (module or alias.strip(), entries)
    if not found:
        raise ArgumentError(
            f"{path} is no table of names",
            hint="sections begin with `## alias = module`, entries are `.name uses/files`",
        )
    return found


def coverage(aliases: Sequence[str] = (), path: str | Path = TABLE) -> list[Coverage]:
    """What resolves of each alias (all of the table by default), in the table's order.

    Raises `ArgumentError` for an alias that the table does not have.
    """
    table = read_table(path)
    unknown = [alias for alias in aliases if alias not in table]
    if unknown:
        raise ArgumentError(
            f"the table has no alias {listing(unknown)}", note=f"it has {listing(list(table), 60)}"
        )
    return [_covered(alias, *table[alias]) for alias in aliases or table]


def _covered(alias: str, module: str, entries: Sequence[UsedName]) -> Coverage:
    roots = list(_roots(alias, module))
    missing = tuple(e for e in entries if not any(resolves(root, e.name) for root in roots))
    return Coverage(alias, len(entries), sum(e.uses for e in entries), missing)


def _roots(alias: str, module: str) -> Iterator[Any]:
    """The modules or classes below which the names of an alias are looked up."""
    if alias not in RECEIVERS:
        path = re.sub(r"^tvm\b\.?", "", module)
        root = _module(f"{ROOT}.{path}" if path else ROOT)
        if root is not _MISSING:
            yield root
        return
    for place in RECEIVERS[alias]:
        package, _, name = place.partition(":")
        cls = getattr(_module(f"{ROOT}.{package}"), name, _MISSING)
        if cls is not _MISSING:
            yield cls


def resolves(root: Any, path: str) -> bool:
    """Whether `root.path` is there: attributes, or modules that are imported on the way."""
    value = root
    for part in path.split("."):
        value = _step(value, part)
        if value is _MISSING:
            return False
    return True


def _step(value: Any, name: str) -> Any:
    try:
        return getattr(value, name)
    except (AttributeError, ImportError):
        module = getattr(value, "__name__", None)
        is_module = hasattr(value, "__path__")
        return _module(f"{module}.{name}") if is_module else _MISSING


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return _MISSING
