"""What a converter sees: one ONNX node with its inputs, attributes and the builder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import onnx

from ... import relax
from ...ir.expr import PrimExpr
from ...relax.dims import as_dims, is_different, is_equal
from ...support.dtypes import dtype_name
from ...support.errors import ImportModelError
from ...support.span import Span, model_span
from ...tir.expr import SizeVar
from .narrow import convert, storage
from .values import Absent, Items, Known, dimension, settle

if TYPE_CHECKING:
    from .graph import GraphImporter

Result: TypeAlias = (
    "relax.Expr | Known | Items | Absent | Sequence[relax.Expr | Known | Items | None] | None"
)
"""What a converter returns: an expression or a known tensor, or one of them an output."""


class ConstantNeeded(ImportModelError):
    """A value decides shapes or the program's form and is only known when the model runs.

    `names` are the ONNX names of such values.
    """

    names: tuple[str, ...] = ()


class NodeContext:
    """One node being converted. Inputs that are absent (or an empty name) are None."""

    def __init__(self, importer: GraphImporter, proto: onnx.NodeProto, opset: int) -> None:
        self.importer = importer
        self.proto = proto
        self.opset = opset
        self.op_type = proto.op_type
        self._attributes = {a.name: a for a in proto.attribute}

    @property
    def label(self) -> str:
        """The node in words, for messages and spans."""
        name = self.proto.name or (self.proto.output[0] if self.proto.output else "")
        return f"ONNX node '{name}' ({self.op_type})"

    @property
    def span(self) -> Span:
        """The node as a span."""
        return model_span(self.label)

    @property
    def bb(self) -> relax.BlockBuilder:
        """The builder of the function being imported."""
        return self.importer.bb

    def error(self, message: str, **options: Any) -> ImportModelError:
        """An error about this node, to be raised."""
        return ImportModelError(message, self.span, **options)

    # attributes

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute as Python data: int, float, str, list, NumPy array or GraphProto."""
        found = self._attributes.get(name)
        return default if found is None else attribute_value(found)

    def has_attr(self, name: str) -> bool:
        """Whether the node has the attribute."""
        return name in self._attributes

    # inputs

    @property
    def num_inputs(self) -> int:
        """The number of inputs, absent ones in the middle counted."""
        return len(self.proto.input)

    @property
    def num_outputs(self) -> int:
        """The number of outputs."""
        return len(self.proto.output)

    def has(self, index: int) -> bool:
        """Whether the input is there."""
        return index < len(self.proto.input) and self.proto.input[index] != ""

    def known(self, index: int) -> Known | None:
        """The input's value if it is known now (numbers, or symbolic integers), else None."""
        if not self.has(index):
            return None
        return self.importer.known(self.proto.input[index])

    def value(self, index: int) -> Any:
        """The input in its most telling form: known, a sequence, or an expression."""
        return self.importer.value(self.proto.input[index])

    def items(self, index: int) -> tuple[Any, ...]:
        """The items of an input that is a sequence."""
        value = self.value(index)
        if not isinstance(value, Items):
            raise self.error(f"input {index} must be a sequence", hint="give its length and shapes")
        return value.items

    def is_text(self, index: int) -> bool:
        """Whether an input is a tensor of strings."""
        if not self.has(index) or self.known(index) is not None:
            return False
        info = self[index].struct_info
        return not isinstance(info, relax.TensorStructInfo)

    def constant(self, index: int) -> np.ndarray[Any, Any] | None:
        """The input's value if it is a constant of plain numbers, else None."""
        value = self.known(index)
        return None if value is None or value.dtype == object else value

    def require_constant(self, index: int, what: str) -> np.ndarray[Any, Any]:
        """The input's value. Raises `ImportModelError` if it is not constant."""
        value = self.constant(index)
        if value is None:
            raise self.needed(index, what)
        return value

    def needed(self, index: int, what: str) -> ConstantNeeded:
        """An error, to be raised, that an input must be known when the model is compiled."""
        error = ConstantNeeded(
            f"input {index} ({what}) must be known when the model is compiled, it is computed",
            self.span,
            hint="make it an initializer of the model",
        )
        error.names = (self.proto.input[index],)
        return error

    def maybe(self, index: int) -> relax.Expr | None:
        """The input as an expression, None if absent."""
        return self.importer.expr(self.proto.input[index]) if self.has(index) else None

    def __getitem__(self, index: int) -> relax.Expr:
        """The input as an expression. Raises `ImportModelError` if it is absent."""
        value = self.maybe(index)
        if value is None:
            raise self.error(f"input {index} is required, it is absent")
        return value

    def inputs(self) -> list[relax.Expr]:
        """All inputs as expressions."""
        return [self[i] for i in range(self.num_inputs)]

    # struct info

    def info(self, index: int) -> relax.TensorStructInfo:
        """The struct info of a tensor input."""
        found = self[index].struct_info
        if not isinstance(found, relax.TensorStructInfo):
            raise self.error(f"input {index} must be a tensor, found {found}")
        return found

    def dtype(self, index: int) -> str:
        """The data type of an input."""
        value = self.known(index)
        if value is not None:
            return "int64" if value.dtype == object else dtype_name(value.dtype)
        return str(self.info(index).dtype)

    def element(self, index: int) -> str:
        """The data type of an input as the model declares it; see `narrow` for those stored in
        another."""
        narrow = self.importer.narrow_of(self.proto.input[index])
        return narrow or self.dtype(index)

    def storage(self, dtype: str) -> str:
        """What holds values of `dtype`; the first output is marked as of `dtype` if it differs."""
        kept = storage(dtype)
        if kept != dtype:
            self.importer.narrow[self.proto.output[0]] = dtype
        return kept

    def converted(self, x: relax.Expr, dtype: str, saturate: bool = True) -> relax.Expr:
        """`x` as `dtype`, by ONNX's rules, for the first output."""
        self.storage(dtype)
        return convert(self, x, dtype, saturate)

    def rank(self, index: int) -> int:
        """The rank of an input. Raises `ImportModelError` if it is not known."""
        value = self.known(index)
        if value is not None:
            return int(value.ndim)
        rank = self.info(index).ndim
        if rank < 0:
            raise self.error(f"the rank of input {index} ({self.proto.input[index]}) is not known")
        return int(rank)

    def shape(self, index: int) -> list[Any]:
        """The shape of an input: integers and expressions. Raises if it is not known."""
        value = self.known(index)
        if value is not None:
            return list(value.shape)
        shape = self.info(index).shape
        if not isinstance(shape, relax.ShapeExpr):
            raise self.error(f"the shape of input {index} ({self.proto.input[index]}) is not known")
        return [dimension(d) for d in shape.values]

    def static_shape(self, index: int) -> list[int]:
        """The shape of an input that must be constant."""
        shape = self.shape(index)
        if any(isinstance(d, PrimExpr) for d in shape):
            raise self.error(f"input {index} must have a constant shape, it has {shape}")
        return shape

    def axis(self, index: int = 0, name: str = "axis", default: int = 0) -> int:
        """An axis attribute made non-negative. Raises if it is out of range."""
        return self.normalize_axis(int(self.attr(name, default)), self.rank(index))

    def normalize_axis(self, axis: int, rank: int) -> int:
        """`axis` made non-negative. Raises `ImportModelError` if it is out of range."""
        if not -max(rank, 1) <= axis < max(rank, 1):
            raise self.error(f"axis {axis} is out of range for rank {rank}")
        return axis + rank if axis < 0 else axis

    def dims(self, index: int, what: str) -> list[Any] | None:
        """A one-dimensional integer input as a list of integers and expressions; None if it is
        computed at run time."""
        value = self.known(index)
        if value is None:
            return None
        if value.ndim > 1:
            raise self.error(f"{what} must be one-dimensional, found shape {value.shape}")
        return [dimension(v) for v in settle(value).reshape(-1)]

    # sizes known only when the program runs

    def sizes(self, tensor: relax.Expr, count: int) -> list[Any]:
        """The elements of a vector of int64, none negative, as new symbolic dimensions."""
        shape = self.emit(relax.op.tensor_to_shape(tensor))
        made = []
        for _ in range(count):
            name = f"{self.op_type.lower()}_{len(self.importer.dims)}"
            self.importer.dims[f"{self.proto.output[0]}/{name}"] = SizeVar(name, "int64")
            made.append(self.importer.dims[f"{self.proto.output[0]}/{name}"])
        self.cast(shape, relax.ShapeStructInfo(tuple(made)))
        return made

    def must_hold(self, tensor: relax.Expr, wanted: Any, name: str) -> None:
        """Stops the program if the one element of a vector of int64 is not `wanted`; the error
        calls it `name`."""
        shape = self.emit(relax.op.tensor_to_shape(tensor))
        self.cast(shape, relax.ShapeStructInfo(as_dims((wanted,))), name)

    def must_equal(self, have: Any, wanted: Any, what: str) -> None:
        """Raises `ImportModelError` if two dimensions are proved to differ; the program stops if
        they differ when it runs."""
        left, right = as_dims((have, wanted))
        if is_different(left, right):
            raise self.error(f"{what}: {right} wanted, found {left}")
        if not is_equal(left, right):
            self.cast(relax.ShapeExpr((left,)), relax.ShapeStructInfo((right,)))

    def vector(self, index: int) -> relax.Expr:
        """An integer input as a vector of int64."""
        x = self[index] if self.dtype(index) == "int64" else relax.op.astype(self[index], "int64")
        x = self.emit(x)
        return x if self.rank(index) == 1 else self.emit(relax.op.reshape(x, [-1]))

    def length(self, index: int) -> int | None:
        """The number of elements of a vector, None if it is not constant."""
        static = self.info(index).static_shape
        return None if static is None else int(np.prod(static, initial=1))

    # building

    def emit(self, expr: relax.Expr) -> relax.Expr:
        """Adds a binding for `expr`, marked with this node."""
        return self.importer.emit(expr, self.span)

    def cast(self, value: relax.Expr, info: relax.StructInfo, name: str = "") -> relax.Expr:
        """`value`, checked when the program runs to be as `info` says; an error names this node."""
        with self.bb.at(self.span):
            return self.bb.match_cast(value, info, name)

    def renamed(
        self, op_type: str, values: Sequence[relax.Expr], extra: Sequence[str] = ()
    ) -> NodeContext:
        """This node as one of another operator, on these values and further inputs by name."""
        proto = onnx.NodeProto()
        proto.CopyFrom(self.proto)
        proto.op_type = op_type
        del proto.input[:]
        for index, value in enumerate(values):
            name = f"{self.proto.output[0]}/{op_type}/{index}"
            self.importer.bind(name, value)
            proto.input.append(name)
        proto.input.extend(extra)
        return NodeContext(self.importer, proto, self.opset)

    def const(self, value: Any, dtype: str) -> relax.Expr:
        """A constant expression."""
        return relax.const(np.asarray(value), dtype)


def attribute_value(proto: onnx.AttributeProto) -> Any:
    """An attribute as Python data."""
    kind = onnx.AttributeProto
    if proto.type == kind.STRING:
        return proto.s.decode("utf-8", "replace")
    if proto.type == kind.STRINGS:
        return [s.decode("utf-8", "replace") for s in proto.strings]
    if proto.type == kind.TENSOR:
        return onnx.numpy_helper.to_array(proto.t)
    if proto.type == kind.SPARSE_TENSOR:
        return proto.sparse_tensor
    value = onnx.helper.get_attribute_value(proto)
    return list(value) if proto.type in (kind.INTS, kind.FLOATS, kind.TENSORS) else value
