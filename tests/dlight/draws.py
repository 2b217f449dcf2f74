"""How a family of kernels draws a model: sizes, inputs, constants and nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper

T = TypeVar("T")
Array = np.ndarray[Any, Any]

EDGES = (
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    15,
    16,
    17,
    24,
    31,
    32,
    33,
    47,
    48,
    49,
    63,
    64,
    65,
    96,
    97,
    127,
    130,
)
"""Sizes beside the widths of vectors and tiles."""


class Size(int):
    """A size of an axis; with a `symbol`, the model leaves it to run time."""

    symbol: str | None = None


class Model:
    """A model in the making. What a family draws is reproducible from Hypothesis's choices."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.dynamic = draw(st.booleans())
        self.inputs: dict[str, Array] = {}
        self.shapes: dict[str, list[int | str]] = {}
        self.constants: dict[str, Array] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.symbols = 0
        self.rng = np.random.default_rng(7)

    def one_of(self, *choices: T) -> T:
        return self.draw(st.sampled_from(choices))

    def flag(self) -> bool:
        return self.draw(st.booleans())

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def fixed(self, high: int, low: int = 1) -> Size:
        """A size from `low` to `high` that is known when the model is compiled."""
        edges = [edge for edge in EDGES if low <= edge <= high]
        anywhere = st.integers(low, high)
        return Size(self.draw(st.one_of(anywhere, st.sampled_from(edges)) if edges else anywhere))

    def size(self, high: int, low: int = 1) -> Size:
        """A size from `low` to `high`, known to the model or not."""
        size = self.fixed(high, low)
        if self.dynamic and self.flag():
            size.symbol = f"n{self.symbols}"
            self.symbols += 1
        return size

    def values(
        self, shape: Sequence[int], dtype: str = "float32", low: int = 0, high: int = 100
    ) -> Array:
        """Normal numbers, or integers from `low` up to `high`."""
        if dtype == "bool":
            return self.rng.integers(0, 2, shape).astype(bool)
        if dtype.startswith("float"):
            return self.rng.standard_normal(shape).astype(dtype)
        return self.rng.integers(low, max(high, low + 1), shape).astype(dtype)

    def input(
        self, shape: Sequence[int], dtype: str = "float32", values: Array | None = None
    ) -> str:
        """The name of a new input of the model."""
        name = f"x{len(self.inputs)}"
        self.inputs[name] = self.values(shape, dtype) if values is None else values
        self.shapes[name] = [getattr(size, "symbol", None) or int(size) for size in shape]
        return name

    def constant(self, values: Array | Sequence[int]) -> str:
        """The name of a new constant; lists are int64."""
        name = f"c{len(self.constants)}"
        array = values if isinstance(values, np.ndarray) else np.array(values, "int64")
        self.constants[name] = array
        return name

    def operand(self, shape: Sequence[int], dtype: str = "float32") -> str:
        """An input, or a constant if all sizes are known and the draw says so."""
        known = all(getattr(size, "symbol", None) is None for size in shape)
        if known and self.flag():
            return self.constant(self.values(shape, dtype))
        return self.input(shape, dtype)

    def node(self, kind: str, *inputs: str, results: int = 1, **attributes: Any) -> str:
        """Adds a node; the name of its first result. Attributes that are None are left out."""
        given = {key: value for key, value in attributes.items() if value is not None}
        names = [f"v{len(self.nodes)}_{place}" for place in range(results)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **given))
        return names[0]

    def finished(self) -> onnx.ModelProto:
        """The model: its outputs are the results that no node reads."""
        read = {name for node in self.nodes for name in node.input}
        outputs = [name for node in self.nodes for name in node.output if name not in read]
        kinds = {name: helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in self.inputs.items()}
        graph = helper.make_graph(
            self.nodes,
            "drawn",
            [helper.make_tensor_value_info(n, kinds[n], s) for n, s in self.shapes.items()],
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        return onnx.shape_inference.infer_shapes(made)
