"""`from_onnx`: an ONNX model as a Relax module."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx

from ... import relax
from ...ir.module import IRModule
from ...support.dtypes import dtype_name
from ...support.errors import ArgumentError, ImportModelError, listing
from ...tir.expr import SizeVar
from . import ops
from .graph import GraphImporter, refuse_unknown, shape_of_proto
from .narrow import storage
from .node import ConstantNeeded
from .values import Absent, Items, element_dtype, tensor_info

OLDEST_OPSET = 1

Model: TypeAlias = onnx.ModelProto | onnx.GraphProto | str | os.PathLike[str] | bytes


def from_onnx(
    model: Model,
    shape_dict: Mapping[str, Sequence[Any]] | None = None,
    dtype_dict: str | Mapping[str, str] | None = None,
    opset: int | None = None,
    keep_params_in_input: bool = False,
    sanitize_input_names: bool = True,
) -> IRModule:
    """The model as an `IRModule` whose function `main` computes the graph's outputs.

    model: a `ModelProto` or `GraphProto`, serialized bytes, or the path of a file (its external
        data are found beside it).
    shape_dict: shapes of inputs that replace the model's: integers, or names for dimensions that
        stay symbolic. For a sequence a list of shapes; for an optional input None if it is absent.
    dtype_dict: the data type of all inputs, or by name.
    opset: replaces the model's version of the default operator set (at least 7).
    keep_params_in_input: constants become parameters after the inputs; their values are the
        attribute `params` of `main` (see `relax.frontend.detach_params`).
    sanitize_input_names: input names become Python identifiers.

    Raises `ImportModelError` for a file that is no model, is cut off or inconsistent, and its
    subclass `OpNotImplemented`, which lists every unknown operator at once with its nodes.
    """
    loaded, base_dir = load_model(model)
    opsets = _opsets(loaded, opset)
    if loaded.functions:
        loaded = _inline_functions(loaded)
    refuse_unknown(loaded, opsets)
    assert ops.LOADED
    building = _Building(loaded, opsets, base_dir, keep_params_in_input, sanitize_input_names)
    return building.run(dict(shape_dict or {}), dtype_dict)


def load_model(model: Model) -> tuple[onnx.ModelProto, str]:
    """The model and the folder of its external data. Raises `ImportModelError`."""
    if isinstance(model, onnx.ModelProto):
        return model, ""
    if isinstance(model, onnx.GraphProto):
        return onnx.helper.make_model(model), ""
    if isinstance(model, bytes):
        return _parse(model, "the bytes given"), ""
    if not isinstance(model, (str, os.PathLike)):
        raise ArgumentError(
            f"model must be a ModelProto, a path or bytes, found {type(model).__name__}"
        )
    path = Path(model)
    if not path.is_file():
        raise ImportModelError(f"there is no file {path}")
    return _parse(path.read_bytes(), str(path)), str(path.parent)


def _parse(data: bytes, what: str) -> onnx.ModelProto:
    try:
        loaded = onnx.ModelProto.FromString(data)
    except Exception as error:
        raise ImportModelError(
            f"{what} is not an ONNX model: {error}",
            hint="the file may be cut off or of another format",
        ) from error
    if not loaded.graph.node and not loaded.graph.output:
        raise ImportModelError(f"{what} holds no graph", hint="the file may be of another format")
    return loaded


def _opsets(model: onnx.ModelProto, opset: int | None) -> dict[str, int]:
    found = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import}
    if opset is not None:
        found[""] = opset
    version = found.setdefault("", 1)
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= version <= newest:
        raise ImportModelError(
            f"the model uses opset {version}, known are {OLDEST_OPSET} to {newest}",
            hint="upgrade the package onnx, or export the model with an older opset",
        )
    return found


def _inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnx import inliner

    return inliner.inline_local_functions(model)


def _identifier(name: str, taken: set[str]) -> str:
    made = re.sub(r"\W", "_", name) or "input"
    if made[0].isdigit():
        made = f"input_{made}"
    while made in taken:
        made += "_"
    return made


def _parts(value: relax.Expr, info: relax.StructInfo) -> Any:
    """A parameter as the importer keeps it: the items of a sequence, else itself."""
    if not isinstance(info, relax.TupleStructInfo):
        return value
    items = [_parts(relax.TupleGetItem(value, i), part) for i, part in enumerate(info.items)]
    return Items(tuple(items))


class _Building:
    """One import: the parameters, the body, the constants."""

    def __init__(
        self,
        model: onnx.ModelProto,
        opsets: dict[str, int],
        base_dir: str,
        keep_params: bool,
        sanitize: bool,
    ) -> None:
        self.graph = model.graph
        self.base_dir = base_dir
        self.keep_params = keep_params
        self.sanitize = sanitize
        self.bb = relax.BlockBuilder()
        self.importer = GraphImporter(self.bb, opsets)
        self.params: dict[str, np.ndarray[Any, Any]] = {}

    def run(self, shapes: dict[str, Any], dtypes: str | Mapping[str, str] | None) -> IRModule:
        """The module."""
        constants = self.importer.initializers(self.graph, self.base_dir)
        inputs = self._inputs(constants, shapes, dtypes)
        kept = self._kept_params(constants, inputs) if self.keep_params else []
        for name, value in constants.items():
            if not self.importer.is_bound(name):
                self.importer.bind(name, value)
        attrs: dict[str, Any] = {"num_input": len(inputs)}
        with self.bb.function("main", [*inputs, *kept], attrs=attrs):
            with self.bb.dataflow():
                self._nodes(shapes)
                outputs = [self.importer.expr(o.name) for o in self._declared_outputs()]
                result = outputs[0] if len(outputs) == 1 else relax.Tuple(tuple(outputs))
                output = self.bb.emit_output(result)
            self.bb.emit_func_output(output)
        mod = self.bb.get()
        if self.keep_params:
            main = mod["main"].with_attr("params", tuple(self.params.values()))
            mod["main"] = main
        return mod

    def _nodes(self, shapes: Mapping[str, Any]) -> None:
        try:
            self.importer.nodes(self.graph.node)
        except ImportModelError as error:
            other = self._contradictions(shapes)
            if not other:
                raise
            note = "\n        ".join([*([error.note] if error.note else []), *other])
            raise ImportModelError(
                error.message, error.span, note=note, hint=error.hint
            ) from error.__cause__

    def _contradictions(self, shapes: Mapping[str, Any]) -> list[str]:
        """Where `shape_dict` says something else than the model, in words."""
        found = []
        for value in self.graph.input:
            kind, given = value.type.tensor_type, shapes.get(value.name)
            if given is None or not kind.HasField("shape"):
                continue
            dims = [d.dim_value or d.dim_param or "?" for d in kind.shape.dim]
            fixed = [(a, b) for a, b in zip(dims, given, strict=False) if isinstance(a, int)]
            if len(dims) != len(given) or any(a != b for a, b in fixed):
                found.append(
                    f"shape_dict gives input '{value.name}' the shape {list(given)}, "
                    f"the model declares {dims}"
                )
        return found

    def _declared_outputs(self) -> list[onnx.ValueInfoProto]:
        missing = [o.name for o in self.graph.output if not self.importer.is_bound(o.name)]
        if missing:
            raise ImportModelError(f"no node computes the graph's output {listing(missing)}")
        return list(self.graph.output)

    def _inputs(
        self,
        constants: Mapping[str, Any],
        shapes: dict[str, Any],
        dtypes: str | Mapping[str, str] | None,
    ) -> list[relax.Var]:
        """Parameters for the graph's inputs; one with an initializer is a constant (its default)
        unless a shape or type is given for it."""
        taken: set[str] = set()
        made = []
        names = [value.name for value in self.graph.input]
        unknown = [name for name in shapes if name not in names]
        if unknown:
            raise ArgumentError(
                f"shape_dict names {listing(unknown)}, which the model has not",
                note=f"its inputs are {listing(names)}",
            )
        for value in self.graph.input:
            if value.name in constants and value.name not in shapes:
                continue
            name = _identifier(value.name, taken) if self.sanitize else value.name
            taken.add(name)
            info = self._info(value, shapes, dtypes)
            if info is None:
                self.importer.bind(value.name, Absent())
                continue
            var = relax.Var(name, info)
            self.importer.bind(value.name, _parts(var, info))
            made.append(var)
        return made

    def _info(
        self,
        value: onnx.ValueInfoProto,
        shapes: dict[str, Any],
        dtypes: str | Mapping[str, str] | None,
    ) -> relax.StructInfo | None:
        """The struct info of an input; None for an optional one that is absent."""
        kind = value.type.WhichOneof("value")
        if kind in ("sequence_type", "optional_type"):
            if value.name not in shapes:
                error = ConstantNeeded(
                    f"graph input '{value.name}' is a {kind.removesuffix('_type')}",
                    hint="give its structure in shape_dict: a list of shapes, or None if absent",
                )
                error.names = (value.name,)
                raise error
            return self._structure(value.type, shapes[value.name])
        if kind not in ("tensor_type", None):
            raise ImportModelError(f"graph input '{value.name}' is a {kind}, expected a tensor")
        dims = self.importer.dims
        given = shapes.get(value.name)
        if given is None:
            shape = shape_of_proto(value, dims, self._new_dim)
        else:
            shape = [self._given_dim(d) for d in given]
        dtype = dtypes if isinstance(dtypes, str) else (dtypes or {}).get(value.name)
        if dtype is None:
            dtype = element_dtype(value.type.tensor_type.elem_type)
            if dtype == "object":
                return relax.ObjectStructInfo()
            if storage(dtype) != dtype:
                self.importer.narrow[value.name] = dtype
                dtype = storage(dtype)
        return tensor_info(shape, dtype)

    def _structure(self, kind: onnx.TypeProto, given: Any) -> relax.StructInfo | None:
        """The struct info of a sequence of tensors or an optional value, from its shapes."""
        if given is None:
            return None
        if kind.HasField("optional_type"):
            return self._structure(kind.optional_type.elem_type, given)
        if kind.HasField("sequence_type"):
            inner = kind.sequence_type.elem_type
            items = [self._structure(inner, item) for item in given]
            return relax.TupleStructInfo(tuple(item for item in items if item is not None))
        dtype = storage(element_dtype(kind.tensor_type.elem_type))
        return tensor_info([self._given_dim(d) for d in given], dtype)

    def _new_dim(self, name: str) -> SizeVar:
        return SizeVar(re.sub(r"\W", "_", name), "int64")

    def _given_dim(self, dim: Any) -> Any:
        if isinstance(dim, (int, np.integer)) and dim < 0:
            raise ArgumentError(
                f"shape_dict has the negative dimension {dim}",
                hint="a dimension that stays symbolic has a name, such as 'n'",
            )
        if not isinstance(dim, str):
            return dim
        dims = self.importer.dims
        if dim not in dims:
            dims[dim] = self._new_dim(dim)
        return dims[dim]

    def _kept_params(
        self, constants: Mapping[str, np.ndarray[Any, Any]], inputs: Sequence[relax.Var]
    ) -> list[relax.Var]:
        taken = {v.name_hint for v in inputs}
        made = []
        for name, value in constants.items():
            if self.importer.is_bound(name) or value.dtype.kind in "OSU" or value.ndim == 0:
                continue
            if value.dtype.kind == "i" and value.ndim <= 1:
                continue
            var_name = _identifier(name, taken)
            taken.add(var_name)
            var = relax.Var(var_name, tensor_info(value.shape, dtype_name(value.dtype)))
            self.importer.bind(name, var)
            self.params[var_name] = value
            made.append(var)
        return made
