"""The gradients of operators: what the gradient of a call's result says of its arguments.

A gradient is `(var, call, grad, builder) -> [expression or None, ...]`, one for each argument:
`var` holds the call's result, `grad` is the gradient of that (a tuple of them for a tuple).
`register_gradient` replaces one.
"""

from . import arrange, elementwise, neural, products, reduction
from ._table import GRADIENTS, gradient, gradient_of

__all__ = [
    "GRADIENTS", "arrange", "elementwise", "gradient", "gradient_of", "neural", "products",
    "reduction",
]  # fmt: skip
