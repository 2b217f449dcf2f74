"""Operators that ONNX itself defines by other operators: their bodies, ready to be imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from .node import NodeContext


@dataclass(frozen=True, slots=True)
class Body:
    """Nodes that compute an operator, their opsets, and pairs of outer and inner output names."""

    nodes: list[onnx.NodeProto]
    opsets: dict[str, int]
    outputs: list[tuple[str, str]]


def function_body(context: NodeContext) -> Body | None:
    """The definition of a node's operator as other nodes, None if ONNX has none."""
    domain = "" if context.proto.domain == "ai.onnx" else context.proto.domain
    try:
        schema = onnx.defs.get_schema(context.op_type, context.opset, domain)
    except onnx.defs.SchemaError:
        return None
    proto = _definition(context, schema)
    if proto is None:
        return None
    opsets = {o.domain: o.version for o in proto.opset_import} or {domain: context.opset}
    defaults = {
        name: a.default_value for name, a in schema.attributes.items() if a.default_value.type
    }
    return Body(*_renamed(context, proto, opsets, defaults))


def _definition(context: NodeContext, schema: onnx.defs.OpSchema) -> onnx.FunctionProto | None:
    if schema.has_context_dependent_function:
        versions = sorted(schema.context_dependent_function_opset_versions)
        version = max((v for v in versions if v <= context.opset), default=versions[0])
        types = [_type(context, index) for index in range(context.num_inputs)]
        data = schema.get_context_dependent_function_with_opset_version(
            version, context.proto.SerializeToString(), types
        )
        return onnx.FunctionProto.FromString(data) if data else None
    if schema.has_function:
        versions = sorted(schema.function_opset_versions)
        version = max((v for v in versions if v <= context.opset), default=versions[0])
        data = schema.get_function_with_opset_version(version)
        return onnx.FunctionProto.FromString(data) if data else None
    return None


def _type(context: NodeContext, index: int) -> bytes:
    if not context.has(index):
        return onnx.TypeProto().SerializeToString()
    code = getattr(onnx.TensorProto, _NAMES.get(context.dtype(index), context.dtype(index).upper()))
    shape = [d if isinstance(d, int) else str(d) for d in context.shape(index)]
    made: bytes = onnx.helper.make_tensor_type_proto(code, shape).SerializeToString()
    return made


_NAMES = {"float32": "FLOAT", "float64": "DOUBLE", "float8_e4m3fn": "FLOAT8E4M3FN",
          "float8_e5m2": "FLOAT8E5M2"}  # fmt: skip


def _renamed(
    context: NodeContext,
    proto: onnx.FunctionProto,
    opsets: dict[str, int],
    schema_defaults: dict[str, onnx.AttributeProto],
) -> tuple[list[onnx.NodeProto], dict[str, int], list[tuple[str, str]]]:
    """Inner names are prefixed by an output's name, so that nothing outside is hidden."""
    actual = dict(zip(proto.input, context.proto.input, strict=False))
    prefix = next(name for name in context.proto.output if name) + "/"
    attributes = {a.name: a for a in context.proto.attribute}
    defaults = {a.name: a for a in proto.attribute_proto} | schema_defaults
    for name in proto.input[len(context.proto.input) :]:
        actual[name] = ""
    renaming = _Renaming(actual, prefix, context.proto.name or prefix, {**defaults, **attributes})
    nodes = [renaming.node(node) for node in proto.node]
    outputs = [
        (outer, prefix + inner)
        for outer, inner in zip(context.proto.output, proto.output, strict=False)
        if outer
    ]
    return nodes, opsets, outputs


@dataclass(frozen=True, slots=True)
class _Renaming:
    """Names and attributes of a function's body become those of its caller."""

    actual: dict[str, str]
    prefix: str
    label: str
    attributes: dict[str, onnx.AttributeProto]

    def name(self, name: str) -> str:
        """The outer name of an input, the prefixed one of anything else."""
        if not name:
            return ""
        return self.actual[name] if name in self.actual else self.prefix + name

    def node(self, node: onnx.NodeProto) -> onnx.NodeProto:
        """A node with its names and attributes replaced, in the graphs it holds too."""
        made = onnx.NodeProto()
        made.CopyFrom(node)
        made.name = self.label
        del made.input[:], made.output[:], made.attribute[:]
        made.input.extend(self.name(name) for name in node.input)
        made.output.extend(self.name(name) for name in node.output)
        for attribute in node.attribute:
            reference = attribute.ref_attr_name
            given = self.attributes.get(reference) if reference else attribute
            if given is not None:
                copy = made.attribute.add()
                copy.CopyFrom(given)
                copy.name = attribute.name
                if not reference and copy.type == onnx.AttributeProto.GRAPH:
                    self.graph(copy.g)
        return made

    def graph(self, graph: onnx.GraphProto) -> None:
        """Renames what a graph defines and uses."""
        nodes = [self.node(node) for node in graph.node]
        del graph.node[:]
        graph.node.extend(nodes)
        for value in (*graph.input, *graph.output, *graph.initializer):
            value.name = self.name(value.name)
