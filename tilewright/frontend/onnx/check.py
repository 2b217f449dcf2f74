"""Whether a node fits its operator's schema: attributes and the number of inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx

from ...support.errors import listing

if TYPE_CHECKING:
    from .node import NodeContext


def check_node(context: NodeContext) -> None:
    """Raises `ImportModelError` for a node that breaks its schema; unknown operators pass."""
    schema = _schema(context)
    if schema is None:
        return
    _check_counts(context, schema)
    _check_attributes(context, schema)


def _schema(context: NodeContext) -> Any:
    domain = "" if context.proto.domain == "ai.onnx" else context.proto.domain
    try:
        return onnx.defs.get_schema(context.op_type, context.opset, domain)
    except onnx.defs.SchemaError:
        return None


def _check_counts(context: NodeContext, schema: Any) -> None:
    proto = context.proto
    for what, have, least, most in (
        ("inputs", len(proto.input), schema.min_input, schema.max_input),
        ("outputs", len(proto.output), schema.min_output, schema.max_output),
    ):
        if not least <= have <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise context.error(f"{context.op_type} takes {wanted} {what}, found {have}")


def _check_attributes(context: NodeContext, schema: Any) -> None:
    known = schema.attributes
    for attribute in context.proto.attribute:
        declared = known.get(attribute.name)
        if declared is None:
            raise context.error(
                f"{context.op_type} has no attribute '{attribute.name}' at opset {context.opset}",
                note=f"it has {listing(sorted(known)) or 'none'}",
            )
        if attribute.type and int(attribute.type) != declared.type.value:
            found = onnx.AttributeProto.AttributeType.Name(attribute.type)
            raise context.error(
                f"attribute '{attribute.name}' must be of type {declared.type.name}, found {found}"
            )
        _check_values(context, attribute)
    given = {attribute.name for attribute in context.proto.attribute}
    missing = [name for name, a in known.items() if a.required and name not in given]
    if missing:
        raise context.error(f"{context.op_type} needs the attribute {listing(sorted(missing))}")


_LEAST = {
    "blocksize": 1, "dilations": 1, "group": 1, "kernel_shape": 1, "num_groups": 1, "p": 1,
    "pads": 0, "strides": 1,
}  # fmt: skip
"""What the numbers of these attributes are at least, whatever the operator; `Pad` may crop."""


def _check_values(context: NodeContext, attribute: onnx.AttributeProto) -> None:
    least = _LEAST.get(attribute.name)
    if least is None or context.op_type == "Pad":
        return
    values = onnx.helper.get_attribute_value(attribute)
    if any(v < least for v in (values if isinstance(values, list) else [values])):
        raise context.error(
            f"attribute '{attribute.name}' must be at least {least}, found {values}"
        )
