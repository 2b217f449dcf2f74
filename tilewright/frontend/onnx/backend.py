"""The interface by which ONNX runs models in any framework (`onnx.backend.base`).

    rep = Backend.prepare(model)
    outputs = rep.run([x, y])

Some inputs decide shapes or the form of the program (`axes`, `pads`, `k`...). A model whose
such values are inputs is compiled when they are known: once for each set of values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx.backend.base import Backend as OnnxBackend
from onnx.backend.base import BackendRep as OnnxBackendRep
from onnx.backend.base import Device, DeviceType, namedtupledict

from ...runtime import cpu
from ...runtime.vm import VirtualMachine
from ...support.errors import ArgumentError, ImportModelError
from .host import declared, from_host, shapes_of, to_host
from .importer import from_onnx
from .node import ConstantNeeded

Machine = VirtualMachine


class Backend(OnnxBackend):  # type: ignore[misc]
    """Compiles ONNX models for this machine's CPU."""

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether the device is a CPU."""
        return bool(Device(device).type == DeviceType.CPU)

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether the model can be imported."""
        if not cls.supports_device(device):
            return False
        try:
            from_onnx(model)
        except ConstantNeeded:
            return True
        except ImportModelError:
            return False
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> BackendRep:
        """The model compiled; `target` and other options are those of `tilewright.compile`.

        Raises `ImportModelError` or `CompileError` that names the model's node.
        """
        if not cls.supports_device(device):
            raise ArgumentError(f"there is no device {device!r}", hint="use 'CPU'")
        return BackendRep(model, kwargs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype[Any], tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """The outputs of one operator; `opset_version` chooses its version."""
        version = int(kwargs.pop("opset_version", onnx.defs.onnx_opset_version()))
        names = [name for name in node.input if name]
        arrays = [np.asarray(value) for value in _in_order(inputs, names)]
        graph = onnx.helper.make_graph(
            [node],
            "node",
            [_value_info(name, array) for name, array in zip(names, arrays, strict=True)],
            [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name],
        )
        opsets = [onnx.helper.make_opsetid(node.domain, version)]
        model = onnx.helper.make_model(graph, opset_imports=opsets)
        return cls.prepare(model, device, **kwargs).run(arrays)


def _value_info(name: str, array: np.ndarray[Any, Any]) -> onnx.ValueInfoProto:
    code = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_value_info(name, code, array.shape)


class BackendRep(OnnxBackendRep):  # type: ignore[misc]
    """A prepared model: `run(inputs)` gives its outputs."""

    def __init__(self, model: onnx.ModelProto, options: Mapping[str, Any]) -> None:
        self.model = model
        self.options = {k: v for k, v in options.items() if k in ("target", "relax_pipeline")}
        initialized = {i.name for i in model.graph.initializer}
        self.inputs = [i.name for i in model.graph.input if i.name not in initialized]
        self.outputs = [o.name for o in model.graph.output]
        self.structured = [
            i.name
            for i in model.graph.input
            if i.type.HasField("sequence_type") or i.type.HasField("optional_type")
        ]
        """Inputs that are sequences or optional: their structure is compiled in."""
        self.fixed: list[str] = []
        """Inputs whose values are compiled in."""
        self.machines: dict[bytes, Machine] = {}
        try:
            if not self.structured:
                self._machine({}, {})
        except ConstantNeeded as error:
            self._fix(error)

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs, in the graph's order and by name; `inputs` is a list or a mapping."""
        values = dict(zip(self.inputs, _in_order(inputs, self.inputs), strict=True))
        while True:
            try:
                shapes = {name: shapes_of(values[name]) for name in self.structured}
                machine = self._machine({name: values[name] for name in self.fixed}, shapes)
                break
            except ConstantNeeded as error:
                self._fix(error)
        given = [
            from_host(v)
            for name, v in values.items()
            if name not in self.fixed and not (v is None and name in self.structured)
        ]
        result = machine["main"](*given)
        made = to_host(result)
        items = made if len(self.outputs) > 1 else (made,)
        kinds = [o.type.tensor_type.elem_type for o in self.model.graph.output]
        items = tuple(declared(item, kind) for item, kind in zip(items, kinds, strict=True))
        outputs: tuple[Any, ...] = namedtupledict("Outputs", self.outputs)(*items)
        return outputs

    def _machine(self, fixed: Mapping[str, Any], shapes: Mapping[str, Any]) -> Machine:
        key = repr(shapes).encode() + b"|".join(
            str(np.asarray(v).shape).encode() + np.asarray(v).tobytes() for v in fixed.values()
        )
        if key not in self.machines:
            from ...driver import compile

            mod = from_onnx(_with_values(self.model, fixed) if fixed else self.model, shapes)
            self.machines[key] = VirtualMachine(compile(mod, **self.options), cpu())
        return self.machines[key]

    def _fix(self, error: ConstantNeeded) -> None:
        """Marks the inputs that decide the needed value; raises if there are none to mark."""
        deciding = [n for n in _ancestors(self.model.graph, error.names) if n in self.inputs]
        new = [n for n in deciding if n not in self.fixed]
        if not new:
            raise error
        self.fixed += new


def _in_order(inputs: Any, names: Sequence[str]) -> list[Any]:
    if isinstance(inputs, Mapping):
        missing = [name for name in names if name not in inputs]
        if missing:
            raise ArgumentError(f"no value is given for the inputs {', '.join(missing)}")
        return [inputs[name] for name in names]
    values = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if len(values) != len(names):
        raise ArgumentError(f"{len(values)} inputs are given, the model has {', '.join(names)}")
    return values


def _with_values(model: onnx.ModelProto, fixed: Mapping[str, Any]) -> onnx.ModelProto:
    """The model with values for some of its inputs."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for name, value in fixed.items():
        made.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    return made


def _ancestors(graph: onnx.GraphProto, names: Sequence[str]) -> list[str]:
    """The names on which values of the graph (or of graphs inside it) depend, themselves too."""
    makers: dict[str, list[str]] = {}
    _record(graph, makers)
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        current = waiting.pop()
        if current not in found:
            found[current] = None
            waiting += makers.get(current, [])
    return list(found)


def _record(graph: onnx.GraphProto, makers: dict[str, list[str]]) -> list[str]:
    used: list[str] = []
    for node in graph.node:
        inputs = [name for name in node.input if name]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.output:
                    inputs += _record(inner, makers)
                    for proto in inner.input:
                        makers.setdefault(proto.name, []).extend(n for n in node.input if n)
        for output in node.output:
            makers.setdefault(output, []).extend(inputs)
        used += inputs
    return used + [o.name for o in graph.output]
