"""`Target`: what code is generated for."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Union

from tilewright.support.errors import ArgumentError

from .features import TargetFeatures
from .from_device import config_of_device
from .host import host_config
from .kind import KINDS, TargetKind, Value, kind_of, option_of
from .parse import Config, convert, format_text, parse_text
from .tag import config_of_tag, list_tags

TargetLike = Union[str, Mapping[str, Any], "Target"]
"""What stands for a target wherever one is expected."""

_STACK: ContextVar[tuple[Target, ...]] = ContextVar("targets", default=())
_ARM_TRIPLES = ("aarch64", "arm64", "arm-", "armv")


class Target:
    """A kind of device with its options, and the `host` that launches its kernels.

    Made from text (`"llvm -mcpu=znver4 -num-cores 2"`), a tag (`"nvidia/nvidia-a100"`), a dict of
    the pieces, JSON, another target, or `"native"`: this machine's CPU, spelled out. Immutable;
    targets of the same pieces are equal. Raises `ArgumentError` for an unknown kind, option or tag.
    """

    __slots__ = ("_config", "_features", "attrs", "host", "keys", "kind", "tag")

    kind: TargetKind
    tag: str
    keys: list[str]
    attrs: dict[str, Value]
    host: Target | None

    def __init__(self, target: TargetLike, host: TargetLike | None = None) -> None:
        config = _config_of(target)
        self.kind = kind_of(str(config.pop("kind")))
        self.tag = str(config.pop("tag", "") or "")
        own_host = config.pop("host", None)
        keys = config.pop("keys", [])
        self.attrs = _attrs(self.kind, config)
        self.keys = _keys(self.kind, keys, self.attrs)
        chosen = host if host is not None else own_host
        self.host = None if chosen is None else as_target(chosen)
        self._features: TargetFeatures | None = None

    # What a target is made of

    @property
    def features(self) -> TargetFeatures:
        """What the processor can do, such as `features.has_sve`."""
        if self._features is None:
            self._features = TargetFeatures(self.kind.name, self.attrs)
        return self._features

    @property
    def model(self) -> str:
        """The device's model, `unknown` if the target does not say."""
        return str(self.attrs.get("model", "unknown"))

    @property
    def mcpu(self) -> str:
        """LLVM's name of the processor, empty if the target does not say."""
        return str(self.attrs.get("mcpu", ""))

    @property
    def mtriple(self) -> str:
        """LLVM's target triple, empty if the target does not say."""
        return str(self.attrs.get("mtriple", ""))

    @property
    def mattr(self) -> list[str]:
        """LLVM's features switched on and off, such as `+avx512f`."""
        return self._list("mattr")

    @property
    def libs(self) -> list[str]:
        """Libraries to use where they have what is needed."""
        return self._list("libs")

    def _list(self, name: str) -> list[str]:
        value = self.attrs.get(name, [])
        return list(value) if isinstance(value, list) else []

    def _int(self, name: str) -> int:
        value = self.attrs.get(name)
        if not isinstance(value, int):
            raise ArgumentError(
                f"target {str(self)!r} does not say {name}", hint=f"add -{name}=<number> to it"
            )
        return int(value)

    @property
    def arch(self) -> str:
        """The architecture that a GPU's code is for, such as `sm_90`."""
        return str(self.attrs.get("arch", ""))

    @property
    def device_name(self) -> str:
        """The device's name as its driver tells it."""
        return str(self.attrs.get("device_name", ""))

    @property
    def max_num_threads(self) -> int:
        """The threads that a kernel uses at most in one block."""
        return self._int("max_num_threads")

    @property
    def max_block_size_x(self) -> int:
        """The largest first extent of a block of threads."""
        has_own = "max_block_size_x" in self.attrs
        return self._int("max_block_size_x" if has_own else "max_num_threads")

    @property
    def max_block_size_y(self) -> int:
        """The largest second extent of a block of threads."""
        has_own = "max_block_size_y" in self.attrs
        return self._int("max_block_size_y" if has_own else "max_num_threads")

    @property
    def thread_warp_size(self) -> int:
        """The threads that run in step."""
        return self._int("thread_warp_size")

    @property
    def max_shared_memory_per_block(self) -> int:
        """Bytes of memory that a block of threads shares."""
        return self._int("max_shared_memory_per_block")

    @property
    def max_function_args(self) -> int:
        """The parameters that a kernel has at most."""
        return self._int("max_function_args")

    @property
    def vtcm_capacity(self) -> int:
        """Bytes of Hexagon's tightly coupled memory."""
        return self._int("vtcm-capacity")

    @property
    def supports_integer_dot_product(self) -> bool:
        """Whether a shader may use the integer dot product."""
        return bool(self.attrs.get("supports_integer_dot_product", False))

    @property
    def supports_cooperative_matrix(self) -> bool:
        """Whether a shader may use cooperative matrices."""
        return bool(self.attrs.get("supports_cooperative_matrix", False))

    def get_kind_attr(self, name: str) -> object:
        """A property of the target's kind: `default_keys`, `device_type` or an option's default."""
        if name in ("default_keys", "device_type", "name"):
            return getattr(self.kind, name)
        return option_of(self.kind, name).default

    def get_target_device_type(self) -> int:
        """DLPack's number of the device that the code runs on."""
        return int(str(self.attrs.get("target_device_type", self.kind.device_type)))

    # Other forms

    def with_host(self, host: TargetLike | None) -> Target:
        """The same target with another host."""
        return Target({**self._pieces(), "host": host})

    def without_host(self) -> Target:
        """The same target with no host."""
        return self.with_host(None)

    def export(self) -> dict[str, Any]:
        """The target's pieces as a dict from which it can be made again."""
        host = {} if self.host is None else {"host": self.host.export()}
        return {**self._pieces(), **host}

    def _pieces(self) -> Config:
        tag = {"tag": self.tag} if self.tag else {}
        attrs = {k: list(v) if isinstance(v, list) else v for k, v in self.attrs.items()}
        return {"kind": self.kind.name, **tag, "keys": list(self.keys), **attrs}

    def __str__(self) -> str:
        return format_text(self.kind.name, self.keys, self.attrs)

    def __repr__(self) -> str:
        host = "" if self.host is None else f", host={str(self.host)!r}"
        return f"Target({str(self)!r}{host})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Target):
            return NotImplemented
        return self is other or self.export() == other.export()

    def __hash__(self) -> int:
        return hash((str(self), None if self.host is None else str(self.host)))

    def __reduce__(self) -> tuple[type[Target], tuple[dict[str, Any]]]:
        return Target, (self.export(),)

    # The target in force

    def __enter__(self) -> Target:
        _STACK.set((*_STACK.get(), self))
        return self

    def __exit__(self, *exception: object) -> None:
        _STACK.set(_STACK.get()[:-1])

    @staticmethod
    def current(allow_none: bool = True) -> Target | None:
        """The target of the innermost `with target:`.

        Raises `ArgumentError` if there is none, unless `allow_none`.
        """
        stack = _STACK.get()
        if not stack and not allow_none:
            raise ArgumentError("no target is in force", hint='write `with Target("llvm"):`')
        return stack[-1] if stack else None

    @staticmethod
    def target_or_current(target: TargetLike | None) -> Target:
        """`target`, or the one in force. Raises `ArgumentError` if there is neither."""
        found = Target.current() if target is None else as_target(target)
        if found is None:
            raise ArgumentError(
                "a target is needed", hint='pass one, or write `with Target("llvm"):`'
            )
        return found

    # Lists

    @staticmethod
    def list_kinds() -> list[str]:
        """The names of all kinds of targets."""
        return sorted(KINDS)

    @staticmethod
    def list_tags() -> dict[str, dict[str, Any]]:
        """All tags with the pieces of their targets."""
        return list_tags()

    # Arguments that may be several things

    @staticmethod
    def canon_target(target: TargetLike | None) -> Target | None:
        """`target` as a `Target`; None stays None."""
        return None if target is None else as_target(target)

    @staticmethod
    def canon_target_and_host(
        target: TargetLike | None, target_host: TargetLike | None = None
    ) -> tuple[Target | None, Target | None]:
        """The target with its host set, and the host: `target_host`, or else the target's own."""
        if target is None:
            if target_host is not None:
                raise ArgumentError("a host is given without a target")
            return None, None
        found = as_target(target)
        if target_host is not None:
            found = found.with_host(target_host)
        return found, found.host

    @staticmethod
    def canon_multi_target(multi_targets: Any) -> list[Target] | None:
        """One or several targets, or a dict of them by device, as a list."""
        if multi_targets is None:
            return None
        if isinstance(multi_targets, Mapping) and "kind" not in multi_targets:
            multi_targets = list(multi_targets.values())
        several = isinstance(multi_targets, (list, tuple))
        return [as_target(t) for t in (multi_targets if several else [multi_targets])]

    @staticmethod
    def canon_multi_target_and_host(
        target: Any, target_host: TargetLike | None = None
    ) -> list[Target]:
        """One or several targets as a list, each with the host."""
        targets = Target.canon_multi_target(target) or []
        return [t if target_host is None else t.with_host(target_host) for t in targets]

    @staticmethod
    def canon_target_map_and_host(
        target_map: Mapping[Any, TargetLike], target_host: TargetLike | None = None
    ) -> tuple[dict[Any, Target], Target | None]:
        """A dict of targets with the host set on each, and the host."""
        pairs = {k: Target.canon_target_and_host(t, target_host) for k, t in target_map.items()}
        found = {key: target for key, (target, _) in pairs.items() if target is not None}
        return found, next((host for _, host in pairs.values() if host is not None), None)

    @staticmethod
    def from_device(device: Any) -> Target:
        """The target of a device that is present: its limits are asked of the device."""
        return Target(config_of_device(device))


def as_target(target: TargetLike) -> Target:
    """`target` itself, or the `Target` that it stands for."""
    return target if isinstance(target, Target) else Target(target)


def _config_of(target: TargetLike) -> Config:
    if isinstance(target, Target):
        return target.export()
    if isinstance(target, str):
        return host_config() if target.strip() == "native" else _complete(parse_text(target))
    if isinstance(target, Mapping):
        return _complete({str(key): value for key, value in target.items()})
    raise ArgumentError(
        f"a target is text, a dict or a Target, found {type(target).__name__} {target!r}"
    )


def _complete(config: Config) -> Config:
    """The pieces with those of the tag added, if they name a tag and no kind."""
    if "kind" in config:
        return config
    if "tag" not in config:
        raise ArgumentError(f"target {config!r} has neither a kind nor a tag")
    return {**config_of_tag(str(config["tag"])), **config}


def _attrs(kind: TargetKind, config: Config) -> dict[str, Value]:
    attrs = {
        name: option.default for name, option in kind.options.items() if option.default is not None
    }
    for name, value in config.items():
        if kind.name == "composite" and name == "devices":
            attrs[name] = [str(as_target(t)) for t in value]
        elif value is not None:
            attrs[name] = convert(kind, name, value)
    return attrs


def _keys(kind: TargetKind, keys: object, attrs: Mapping[str, Value]) -> list[str]:
    """The given keys, the device's, the processor's and the kind's, each once."""
    given = keys.split(",") if isinstance(keys, str) else list(keys)  # type: ignore[call-overload]
    device = [str(attrs["device"])] if "device" in attrs else []
    triple = str(attrs.get("mtriple", ""))
    arm = ["arm_cpu"] if kind.name == "llvm" and triple.startswith(_ARM_TRIPLES) else []
    return list(dict.fromkeys([*given, *device, *arm, *kind.default_keys]))
