"""Steps of optimizers (`ai.onnx.preview.training`) and losses."""

from __future__ import annotations

from typing import Any

from .... import relax
from ....relax import op as R
from ..node import NodeContext, Result
from ..registry import onnx_op

Expr = relax.Expr
DOMAIN = "ai.onnx.preview.training"


class _Arithmetic:
    """Short names for elementwise arithmetic with constants of one data type."""

    def __init__(self, n: NodeContext, dtype: str) -> None:
        self.n, self.dtype = n, dtype

    def _expr(self, x: Any) -> Expr:
        return x if isinstance(x, relax.Expr) else self.n.const(x, self.dtype)

    def add(self, a: Any, b: Any) -> Expr:
        """The sum."""
        return self.n.emit(R.add(self._expr(a), self._expr(b)))

    def sub(self, a: Any, b: Any) -> Expr:
        """The difference."""
        return self.n.emit(R.subtract(self._expr(a), self._expr(b)))

    def mul(self, a: Any, b: Any) -> Expr:
        """The product."""
        return self.n.emit(R.multiply(self._expr(a), self._expr(b)))

    def div(self, a: Any, b: Any) -> Expr:
        """The quotient."""
        return self.n.emit(R.divide(self._expr(a), self._expr(b)))

    def power(self, a: Any, b: Any) -> Expr:
        """The power."""
        return self.n.emit(R.power(self._expr(a), self._expr(b)))

    def sqrt(self, a: Expr) -> Expr:
        """The root."""
        return self.n.emit(R.sqrt(a))


def _groups(n: NodeContext, size: int) -> list[list[Expr]]:
    """The tensors of each parameter: the inputs after rate and count hold all of one kind, then
    all of the next."""
    total = (n.num_inputs - 2) // size
    return [[n[2 + kind * total + i] for kind in range(size)] for i in range(total)]


def _outputs(rows: list[list[Expr]]) -> list[Expr]:
    return [row[kind] for kind in range(len(rows[0])) for row in rows]


def _real_count(n: NodeContext, dtype: str) -> Expr:
    return n.emit(R.astype(n[1], dtype))


@onnx_op("Adagrad", domain=DOMAIN)
def adagrad(n: NodeContext) -> Result:
    """Rates that fall with the sum of squared gradients."""
    rows = []
    for x, gradient, squares in _groups(n, 3):
        m = _Arithmetic(n, x.struct_info.dtype)
        falling = m.add(1.0, m.mul(_real_count(n, m.dtype), n.attr("decay_factor", 0.0)))
        rate = m.div(n[0], falling)
        g = m.add(m.mul(n.attr("norm_coefficient", 0.0), x), gradient)
        total = m.add(squares, m.mul(g, g))
        adaptive = m.add(m.sqrt(total), n.attr("epsilon", 1e-6))
        rows.append([m.sub(x, m.div(m.mul(rate, g), adaptive)), total])
    return _outputs(rows)


@onnx_op("Momentum", domain=DOMAIN)
def momentum(n: NodeContext) -> Result:
    """Gradients with inertia, Nesterov's form too."""
    alpha, beta = n.attr("alpha"), n.attr("beta")
    nesterov = n.attr("mode") == "nesterov"
    rows = []
    for x, gradient, velocity in _groups(n, 3):
        m = _Arithmetic(n, x.struct_info.dtype)
        g = m.add(m.mul(n.attr("norm_coefficient"), x), gradient)
        first = n.emit(R.greater(n[1], n.const(0, n.dtype(1))))
        weight = n.emit(R.where(first, n.const(beta, m.dtype), n.const(1.0, m.dtype)))
        new = m.add(m.mul(alpha, velocity), m.mul(weight, g))
        step = m.add(g, m.mul(alpha, new)) if nesterov else new
        rows.append([m.sub(x, m.mul(n[0], step)), new])
    return _outputs(rows)


@onnx_op("Adam", domain=DOMAIN)
def adam(n: NodeContext) -> Result:
    """Gradients with inertia over the root of their mean square."""
    alpha, beta = n.attr("alpha", 0.9), n.attr("beta", 0.999)
    rows = []
    for x, gradient, mean, square in _groups(n, 4):
        m = _Arithmetic(n, x.struct_info.dtype)
        g = m.add(m.mul(n.attr("norm_coefficient", 0.0), x), gradient)
        v = m.add(m.mul(alpha, mean), m.mul(1.0 - alpha, g))
        h = m.add(m.mul(beta, square), m.mul(1.0 - beta, m.mul(g, g)))
        count = _real_count(n, m.dtype)
        ratio = m.div(m.sqrt(m.sub(1.0, m.power(beta, count))), m.sub(1.0, m.power(alpha, count)))
        later = n.emit(R.greater(n[1], n.const(0, n.dtype(1))))
        rate = n.emit(R.where(later, m.mul(n[0], ratio), n[0]))
        new = m.sub(x, m.div(m.mul(rate, v), m.add(m.sqrt(h), n.attr("epsilon", 1e-6))))
        post = n.attr("norm_coefficient_post", 0.0)
        rows.append([m.mul(1.0 - post, new), v, h])
    return _outputs(rows)
