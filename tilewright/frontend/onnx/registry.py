"""Which function converts which ONNX operator, from which opset version on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .node import NodeContext, Result

    Converter = Callable[[NodeContext], Result]

F = TypeVar("F", bound="Callable[..., object]")

CONVERTERS: dict[tuple[str, str], dict[int, Converter]] = {}
"""Converters by domain (`""` is `ai.onnx`) and operator, then by the version they are for."""


def onnx_op(*names: str, since: int = 1, domain: str = "") -> Callable[[F], F]:
    """Declares the converter of operators `names`, for opset `since` up to the next declared."""

    def declare(function: F) -> F:
        for name in names:
            CONVERTERS.setdefault((domain, name), {})[since] = function  # type: ignore[assignment]
        return function

    return declare


def find_converter(domain: str, name: str, opset: int) -> Converter | None:
    """The converter that serves `opset`: of those declared, the newest not newer than it."""
    versions = CONVERTERS.get((domain.removeprefix("ai.onnx") if domain == "ai.onnx" else domain,
                               name))  # fmt: skip
    if not versions:
        return None
    fitting = [version for version in versions if version <= opset]
    return versions[max(fitting)] if fitting else None


def supported_operators(domain: str = "") -> list[str]:
    """The operators of a domain that have converters of their own, sorted."""
    return sorted(name for where, name in CONVERTERS if where == domain)
