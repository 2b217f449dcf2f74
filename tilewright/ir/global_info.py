"""What functions of a module share: virtual devices, and other named facts.

A module keeps them in `global_infos`, by name; script names a device by kind and number
(`"cuda:1"`) and any other by name and number (`"mesh[0]"`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from ..support.errors import ArgumentError, listing
from ..target.target import Target
from .json import register_leaf
from .node import Node, node
from .structural import LEAF_HASH, structural_equal

Infos = Mapping[str, Sequence[Node]]
register_leaf(Target, "target", Target.export, Target)
LEAF_HASH[Target] = str


@node("ir.GlobalInfo")
class GlobalInfo(Node):
    """The base of all facts that functions of a module share."""


@node("ir.DummyGlobalInfo")
class DummyGlobalInfo(GlobalInfo):
    """A fact without content."""


@node("ir.VDevice")
class VDevice(GlobalInfo):
    """A device that values may be placed on: a target, a number and a memory scope.

    `target` may be a `Target`, its text or its dict.
    """

    target: Target | None = None
    vdevice_id: int = 0
    memory_scope: str = "global"

    def __post_init__(self) -> None:
        given: Any = self.target
        if given is not None and not isinstance(given, Target):
            self.target = Target(given)  # type: ignore[misc]
        self.vdevice_id = int(self.vdevice_id)  # type: ignore[misc]


_NONE: Infos = MappingProxyType({})
_VISIBLE: ContextVar[Infos] = ContextVar("global_infos", default=_NONE)


@contextmanager
def visible_global_infos(infos: Infos) -> Iterator[None]:
    """Names inside, such as `"cuda:1"`, mean these infos of a module that is being written."""
    token = _VISIBLE.set(infos)
    try:
        yield
    finally:
        _VISIBLE.reset(token)


def devices_of(infos: Infos, kind: str | None = None) -> list[VDevice]:
    """The virtual devices of a module, those of one target kind if that is given."""
    devices = [d for d in infos.get("vdevice", ()) if isinstance(d, VDevice)]
    if kind in (None, "", "vdevice"):
        return devices
    return [d for d in devices if d.target is not None and d.target.kind.name == kind]


def lookup_vdevice(target_kind: str | None = None, device_index: int = -1) -> VDevice:
    """The device number `device_index` (-1: the first) of a kind, in the module being written."""
    found = devices_of(_VISIBLE.get(), target_kind)
    index = max(device_index, 0)
    if index >= len(found):
        known = listing([vdevice_name(d, _VISIBLE.get()) for d in devices_of(_VISIBLE.get())])
        raise ArgumentError(
            f"the module has no virtual device {target_kind or 'vdevice'}:{index}",
            note=f"it has {known or 'none'}",
            hint='list it in I.module_global_infos({"vdevice": [...]})',
        )
    return found[index]


def as_vdevice(value: Any) -> VDevice | None:
    """A device from itself, None, or a name such as `"cuda"`, `"cuda:1"` or `"cuda:1:global"`."""
    if value is None or isinstance(value, VDevice):
        return value
    if not isinstance(value, str):
        raise ArgumentError(f"expected a virtual device, found {type(value).__name__}")
    kind, _, rest = value.partition(":")
    number = rest.partition(":")[0]
    if number and not number.isdigit():
        raise ArgumentError(f"{value!r} names no virtual device", hint='write "kind:number"')
    return lookup_vdevice(kind, int(number or 0))


def vdevice_name(device: VDevice, infos: Infos) -> str:
    """`"kind:number"`, by which a module's functions name the device; empty if it is not there."""
    kind = None if device.target is None else device.target.kind.name
    for index, other in enumerate(devices_of(infos, kind)):
        if other is device or same_vdevice(other, device):
            return f"{kind or 'vdevice'}:{index}"
    return ""


def same_vdevice(a: VDevice, b: VDevice) -> bool:
    """Whether target, number and memory of two virtual devices are the same."""
    parts = [(d.target, d.vdevice_id, d.memory_scope) for d in (a, b)]
    return parts[0] == parts[1]


def lookup_global_info(text: str) -> Node:
    """What a name such as `"mesh[0]"` means in the module being written."""
    name, _, rest = text.partition("[")
    number = rest.removesuffix("]")
    found = _VISIBLE.get().get(name, ())
    index = int(number) if number.isdigit() else 0 if not rest else -1
    if not 0 <= index < len(found):
        raise ArgumentError(
            f"the module has no global info `{text}`",
            note=f"it has {listing(sorted(_VISIBLE.get())) or 'none'}",
            hint=f'list it in I.module_global_infos({{"{name}": [...]}})',
        )
    return found[index]


def global_info_name(info: Node, infos: Infos) -> str:
    """`"name[number]"` of an info of the module; empty if it is not there."""
    for name, rows in infos.items():
        for index, other in enumerate(rows):
            if other is info or structural_equal(other, info):
                return f"{name}[{index}]"
    return ""
