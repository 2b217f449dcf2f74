"""Walking an ONNX graph: names to values, nodes to converters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx

from ... import relax
from ...ir.expr import PrimExpr
from ...support.dtypes import dtype_name
from ...support.errors import ImportModelError, OpNotImplemented, TVMError, listing
from ...support.span import Span
from .check import check_node
from .expand import function_body
from .folding import folded_call
from .narrow import stored
from .node import ConstantNeeded, NodeContext
from .registry import find_converter
from .values import (
    LIMIT,
    Absent,
    Items,
    Known,
    is_symbolic,
    is_text,
    settle,
    shape_expr,
    text_constant,
)

Value: TypeAlias = "relax.Expr | Known | Items | Absent"
"""What an ONNX name stands for."""


class GraphImporter:
    """Imports one graph into the function that `bb` builds; subgraphs see their parent's names."""

    def __init__(
        self,
        bb: relax.BlockBuilder,
        opsets: dict[str, int],
        parent: GraphImporter | None = None,
    ) -> None:
        self.bb = bb
        self.opsets = opsets
        self.parent = parent
        self._exprs: dict[str, relax.Expr] = {}
        self._known: dict[str, Known] = {}
        self._structures: dict[str, Items | Absent] = {}
        self._constants: dict[str, relax.Expr] = {}
        self.dims: dict[str, Any] = parent.dims if parent is not None else {}
        """Symbolic dimensions by their ONNX name, shared by the whole model."""
        self.narrow: dict[str, str] = {}
        """Data types of values that are stored in a wider one."""

    # values

    def bind(self, name: str, value: Value) -> None:
        """Gives an ONNX name its value."""
        if isinstance(value, np.ndarray) and is_text(value):
            self._exprs[name] = text_constant(value)
        elif isinstance(value, np.ndarray):
            value, narrow = stored(value)
            if narrow is not None:
                self.narrow[name] = narrow
            self._known[name] = settle(value)
        elif isinstance(value, (Items, Absent)):
            self._structures[name] = value
        else:
            self._exprs[name] = value

    def is_bound(self, name: str) -> bool:
        """Whether the name has a value here or in a parent."""
        return self._binds(name) or (self.parent is not None and self.parent.is_bound(name))

    def _binds(self, name: str) -> bool:
        return name in self._exprs or name in self._known or name in self._structures

    def _owner(self, name: str) -> GraphImporter:
        scope: GraphImporter | None = self
        while scope is not None:
            if scope._binds(name):
                return scope
            scope = scope.parent
        raise ImportModelError(
            f"the name '{name}' is used but nothing gives it a value",
            hint="the model is inconsistent: check it with onnx.checker",
        )

    def known(self, name: str) -> Known | None:
        """The value of a name if it is known while importing."""
        return self._owner(name)._known.get(name)

    def narrow_of(self, name: str) -> str | None:
        """The data type of a value that is stored in a wider one."""
        return self._owner(name).narrow.get(name)

    def expr(self, name: str) -> relax.Expr:
        """The value of a name as an expression; a known tensor is made one."""
        owner = self._owner(name)
        found = owner._exprs.get(name)
        if found is None:
            if name in owner._structures:
                return self.as_expr(owner._structures[name])
            found = self.materialize(owner._known[name])
            if isinstance(found, relax.Constant):
                owner._exprs[name] = found
        return found

    def value(self, name: str) -> Value:
        """The value of a name in its most telling form: known, a sequence, or an expression."""
        owner = self._owner(name)
        structure = owner._structures.get(name)
        if structure is not None:
            return structure
        known = owner._known.get(name)
        return owner._exprs[name] if known is None else known

    def as_expr(self, value: Value) -> relax.Expr:
        """Any value as an expression; a sequence is a tuple."""
        if isinstance(value, np.ndarray):
            return text_constant(value) if is_text(value) else self.materialize(value)
        if isinstance(value, Items):
            return relax.Tuple(tuple(self.as_expr(item) for item in value.items))
        if isinstance(value, Absent):
            return self.emit(relax.op.null_value())
        return value

    def materialize(self, known: Known) -> relax.Expr:
        """A known tensor as an expression: a constant, or computed from the dimensions."""
        if not is_symbolic(known):
            return relax.const(settle(known), dtype_name(settle(known).dtype))
        flat = shape_expr(list(known.reshape(-1)))
        tensor = self.emit(relax.op.shape_to_tensor(flat))
        if known.ndim == 1:
            return tensor
        return self.emit(relax.op.reshape(tensor, list(known.shape)))

    def emit(self, expr: relax.Expr, span: Span | None = None) -> relax.Expr:
        """Adds a binding; variables and constants stay as they are."""
        if isinstance(expr, (relax.Var, relax.Constant)):
            return expr
        folded = folded_call(expr)
        if folded is not None:
            return folded
        if span is not None and expr.span is None:
            expr = expr.replace(span=span)
        return self.bb.emit(expr)

    # graphs

    def initializers(self, graph: onnx.GraphProto, base_dir: str) -> dict[str, Known]:
        """The constants that a graph holds, by name."""
        found = {}
        for tensor in graph.initializer:
            try:
                found[tensor.name] = onnx.numpy_helper.to_array(tensor, base_dir)
            except Exception as error:
                raise ImportModelError(
                    f"initializer '{tensor.name}' cannot be read: {error}",
                    hint="the file is damaged, or its external data lie elsewhere",
                ) from error
        for sparse in graph.sparse_initializer:
            found[sparse.values.name] = dense_of(sparse)
        return found

    def nodes(self, nodes: Iterable[onnx.NodeProto]) -> None:
        """Imports nodes in their order."""
        for node in nodes:
            self.node(node)

    def node(self, proto: onnx.NodeProto) -> None:
        """Imports one node: by its converter, or by the function that ONNX defines it with."""
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        opset = self.opsets.get(domain, self.opsets.get("", 1) if domain == "" else 1)
        context = NodeContext(self, proto, opset)
        converter = find_converter(domain, proto.op_type, opset)
        try:
            check_node(context)
            if converter is None:
                self._expand(context)
            else:
                self._outputs(context, converter(context))
        except ImportModelError as error:
            if error.span is None:
                raise type(error)(
                    error.message, context.span, note=error.note, hint=error.hint
                ) from error
            raise
        except TVMError as error:
            raise ImportModelError(
                error.message, error.span or context.span, note=error.note, hint=error.hint
            ) from error
        except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as error:
            raise context.error(
                f"the node cannot be imported: {type(error).__name__}: {error}",
                hint="its inputs or attributes may not fit its operator",
            ) from error

    def _outputs(self, context: NodeContext, result: Any) -> None:
        values = list(result) if isinstance(result, (list, tuple)) else [result]
        names = context.proto.output
        if isinstance(result, relax.Expr) and len([n for n in names if n]) > 1:
            values = self._split(context, result)
        for name, value in zip(names, values, strict=False):
            if name and self._binds(name):
                raise context.error(
                    f"the name '{name}' is given a value twice",
                    hint="the model is inconsistent: check it with onnx.checker",
                )
            if name and value is not None:
                self.bind(name, self._settled(context, value))

    def _settled(self, context: NodeContext, value: Any) -> Any:
        """A converter's value as it is kept: small constants become known tensors."""
        if isinstance(value, (np.ndarray, Items, Absent)):
            return value
        made = context.emit(value)
        if isinstance(made, relax.Constant) and made.array.size <= LIMIT:
            return made.array
        return made

    def _split(self, context: NodeContext, result: relax.Expr) -> list[relax.Expr]:
        whole = context.emit(result)
        if not isinstance(whole.struct_info, relax.TupleStructInfo):
            raise context.error("the converter gave one value for several outputs")
        count = len(whole.struct_info.fields)
        return [relax.TupleGetItem(whole, index) for index in range(count)]

    def _expand(self, context: NodeContext) -> None:
        body = function_body(context)
        if body is None:
            raise OpNotImplemented(
                f"operator {context.op_type} of domain "
                f"'{context.proto.domain or 'ai.onnx'}' is not known at opset {context.opset}",
                context.span,
            )
        inner = GraphImporter(self.bb, {**self.opsets, **body.opsets}, self)
        try:
            inner.nodes(body.nodes)
        except ConstantNeeded as error:
            error.names = _outer_names(body.nodes, error.names, context.proto.input)
            raise
        for outer, name in body.outputs:
            self.bind(outer, inner.value(name))

    def subgraph(self, graph: onnx.GraphProto, inputs: Sequence[Value]) -> list[Any]:
        """Imports a subgraph inline, on these inputs; gives its outputs."""
        inner = GraphImporter(self.bb, self.opsets, self)
        for name, constant in inner.initializers(graph, "").items():
            inner.bind(name, constant)
        for proto, value in zip(graph.input, inputs, strict=False):
            inner.bind(proto.name, value)
        inner.nodes(graph.node)
        return [inner.value(proto.name) for proto in graph.output]

    def is_small(self, value: Known) -> bool:
        """Whether a tensor is small enough to be followed while importing."""
        return value.size <= LIMIT


def _outer_names(
    nodes: Sequence[onnx.NodeProto], names: Sequence[str], inputs: Sequence[str]
) -> tuple[str, ...]:
    """The inputs among `inputs` on which values computed by `nodes` depend."""
    wanted = set(names)
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
    return tuple(name for name in inputs if name in wanted) or tuple(n for n in inputs if n)


def dense_of(sparse: onnx.SparseTensorProto) -> Known:
    """A sparse constant as a dense array."""
    values = onnx.numpy_helper.to_array(sparse.values)
    indices = onnx.numpy_helper.to_array(sparse.indices)
    dense = np.zeros(tuple(sparse.dims), values.dtype)
    if indices.ndim == 1:
        dense.reshape(-1)[indices] = values
    else:
        dense[tuple(indices.T)] = values
    return dense


def unknown_operators(model: onnx.ModelProto, opsets: dict[str, int]) -> dict[str, list[str]]:
    """Every operator of the model (subgraphs included) that cannot be imported, with its nodes."""
    missing: dict[str, list[str]] = {}
    local = {(f.domain, f.name) for f in model.functions}

    def visit(graph: onnx.GraphProto) -> None:
        for node in graph.node:
            domain = "" if node.domain == "ai.onnx" else node.domain
            opset = opsets.get(domain, 1)
            known = (node.domain, node.op_type) in local or find_converter(
                domain, node.op_type, opset
            )
            if not known and not _has_function(node.op_type, domain, opset):
                label = f"{domain + '.' if domain else ''}{node.op_type}"
                missing.setdefault(label, []).append(node.name or ", ".join(node.output))
            for attribute in node.attribute:
                for inner in (attribute.g, *attribute.graphs):
                    visit(inner)

    visit(model.graph)
    return missing


def _has_function(op_type: str, domain: str, opset: int) -> bool:
    try:
        schema = onnx.defs.get_schema(op_type, opset, domain)
    except onnx.defs.SchemaError:
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)


def refuse_unknown(model: onnx.ModelProto, opsets: dict[str, int]) -> None:
    """Raises `OpNotImplemented` that lists every unknown operator with its nodes, if any."""
    missing = unknown_operators(model, opsets)
    if missing:
        rows = [f"{name}: nodes {listing(nodes, 5)}" for name, nodes in sorted(missing.items())]
        raise OpNotImplemented(
            f"the model uses {len(missing)} operators that cannot be imported:\n  "
            + "\n  ".join(rows),
            hint="check the model's opset and domain versions; see docs/onnx.md for the list",
        )


def shape_of_proto(
    value: onnx.ValueInfoProto, dims: dict[str, Any], new_dim: Any
) -> list[int | PrimExpr] | None:
    """The declared shape of a graph input: named dimensions become variables; None if unknown."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    shape: list[int | PrimExpr] = []
    for index, dim in enumerate(tensor.shape.dim):
        if dim.HasField("dim_value") and dim.dim_value >= 0:
            shape.append(dim.dim_value)
        else:
            name = dim.dim_param or f"{value.name}_dim_{index}"
            if name not in dims:
                dims[name] = new_dim(name)
            shape.append(dims[name])
    return shape
