"""Helpers of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..transform.gradient import TE_GRADIENTS


def register_te_gradient(te_grad_name: str, te_grad_func: Callable[..., Any] | None = None) -> Any:
    """Files the gradient of kernels that `call_te_with_grad(..., te_grad_name=...)` makes.

    `te_grad_func(grad, *inputs, **te_grad_kwargs)` gets tensors of `te` and returns the gradient of
    each input. May be used as a decorator.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        TE_GRADIENTS[te_grad_name] = function
        return function

    return register if te_grad_func is None else register(te_grad_func)
