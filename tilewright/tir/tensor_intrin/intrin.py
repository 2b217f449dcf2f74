"""TensorIntrin: what a hardware instruction computes, and how it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import ClassVar

from ...ir.expr import IntImm, PrimExpr
from ...ir.node import Node, node
from ...support.errors import ArgumentError, ArgumentTypeError, listing
from ..function import PrimFunc
from ..stmt import BlockRealize


@node("tir.TensorIntrin")
class TensorIntrin(Node):
    """`desc` says in plain loops what `impl` does; both take the same buffers."""

    desc: PrimFunc
    impl: PrimFunc

    registry: ClassVar[dict[str, TensorIntrin]] = {}
    declared: ClassVar[dict[str, Callable[[], tuple[PrimFunc, PrimFunc]]]] = {}
    """What makes the functions of each intrinsic that nobody has asked for yet."""

    def __post_init__(self) -> None:
        for name, func in (("desc", self.desc), ("impl", self.impl)):
            if not isinstance(func, PrimFunc):
                raise ArgumentTypeError(
                    f"`{name}` of a tensor intrinsic is a PrimFunc, found {func!r}"
                )
        ours, theirs = self.desc.buffers(), self.impl.buffers()
        if len(ours) != len(self.desc.params) or len(theirs) != len(self.impl.params):
            raise ArgumentError("the functions of a tensor intrinsic take buffers only")
        if [b.dtype for b in ours] != [b.dtype for b in theirs]:
            raise ArgumentError(
                "description and implementation of a tensor intrinsic take different buffers",
                note=f"{[b.dtype for b in ours]} and {[b.dtype for b in theirs]}",
            )
        for index, (described, implemented) in enumerate(zip(ours, theirs, strict=True)):
            if not _may_be_equal(described.shape, implemented.shape):
                raise ArgumentError(
                    f"buffer {index} of a tensor intrinsic is of one shape, found "
                    f"{list(described.shape)} in the description and {list(implemented.shape)} "
                    "in the implementation"
                )
        for func in (self.desc, self.impl):
            if not isinstance(func.body, BlockRealize) or func.body.iter_values:
                raise ArgumentError("a function of a tensor intrinsic is a block without axes")

    @staticmethod
    def register(name: str, desc: PrimFunc, impl: PrimFunc, override: bool = False) -> TensorIntrin:
        """Makes the intrinsic known as `name`, for `Schedule.tensorize`."""
        if TensorIntrin._known(name) and not override:
            raise ArgumentError(
                f"a tensor intrinsic {name!r} is registered already", hint="pass override=True"
            )
        made = TensorIntrin(desc, impl)
        TensorIntrin.registry[name] = made
        return made

    @staticmethod
    def get(name: str, allow_missing: bool = False) -> TensorIntrin | None:
        """The intrinsic registered as `name`; None for an unknown one with `allow_missing`."""
        if TensorIntrin._known(name) and name not in TensorIntrin.registry:
            TensorIntrin.registry[name] = TensorIntrin(*TensorIntrin.declared[name]())
        found = TensorIntrin.registry.get(name)
        if found is None and not allow_missing:
            raise ArgumentError(
                f"no tensor intrinsic is called {name!r}",
                note=f"there are {listing(TensorIntrin.names())}",
            )
        return found

    @staticmethod
    def names() -> list[str]:
        """All intrinsics, sorted."""
        _load()
        return sorted({*TensorIntrin.registry, *TensorIntrin.declared})

    @staticmethod
    def _known(name: str) -> bool:
        if not isinstance(name, str):
            raise ArgumentTypeError(f"the name of a tensor intrinsic is a string, found {name!r}")
        if name not in TensorIntrin.registry and name not in TensorIntrin.declared:
            _load()
        return name in TensorIntrin.registry or name in TensorIntrin.declared


def _may_be_equal(shape: Sequence[PrimExpr], other: Sequence[PrimExpr]) -> bool:
    """Whether shapes have equal ranks and no constant extents that differ."""
    return len(shape) == len(other) and not any(
        isinstance(a, IntImm) and isinstance(b, IntImm) and a.value != b.value
        for a, b in zip(shape, other, strict=True)
    )


FAMILIES = ("dot_product_common", "x86", "arm_cpu", "hexagon", "cuda", "rocm", "metal")
"""The modules beside this one that declare intrinsics, one a kind of hardware."""


def _load() -> None:
    """Declares the intrinsics of all families."""
    for family in FAMILIES:
        import_module(f"{__package__}.{family}")
