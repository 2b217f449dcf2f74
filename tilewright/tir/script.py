"""The namespace `T` of script: `from tilewright.script import tir as T`."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from ..ir.expr import FloatImm, IntImm, PrimExpr, Range, as_scalar
from ..ir.structural import structural_equal
from ..script.parser import FUNCTIONS, SPECIAL, Decorator, MacroDecorator, Parser
from ..script.parser.evaluate import name as name_value
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from ..target import Target
from . import expr as E
from . import stmt as S
from .buffer import Buffer as BufferNode
from .expr import (
    EQ,
    GE,
    GT,
    LE,
    LT,
    NE,
    Add,
    And,
    Broadcast,
    BufferLoad,
    Call,
    CallEffectKind,
    Cast,
    CommReducer,
    Div,
    FloorDiv,
    FloorMod,
    IterVar,
    IterVarType,
    Max,
    Min,
    Mod,
    Mul,
    Not,
    Or,
    ProducerLoad,
    Ramp,
    Reduce,
    Select,
    Shuffle,
    SizeVar,
    StringImm,
    Sub,
    Var,
    pointer,
)  # fmt: skip
from .forms import DataTypeName, Directive, LoopForm, MetaVar, ScopeForm, loop_domain, writing
from .forms_block import AxisForm, BlockForm, BranchForm, IfForm, InitForm, RemapForm, WhileForm
from .forms_buffer import ArgForm, BufferForm, DeclForm, MatchForm, allocation, region_of
from .index_map import IndexMap
from .op import abs as fabs
from .op import call_intrin as _call_intrin
from .op import cast as _convert
from .op.arithmetic import *
from .op.bits import *
from .op.calls import *
from .op.constant import *
from .op.conversion import *
from .op.elementary import *
from .op.intrinsics import *
from .op.logic import *
from .parser import FUNCTIONS as _LOADED
from .parser import return_type, vector_indices
from .script_rules import named_call, stored_value
from .writer import Writer

assert FUNCTIONS is _LOADED

prim_func = Decorator("tir", FUNCTIONS)
macro = inline = MacroDecorator()
meta_var = MetaVar

# ---- types and buffers ----------------------------------------------------------------------


def handle(
    dtype: str | None = None, storage_scope: str = "global", *, is_size_var: bool = False
) -> Var:
    """An address: of anything, or of elements of `dtype`."""
    kind: Any = "handle"
    if dtype is not None:
        kind = pointer(str(getattr(dtype, "dtype", dtype)), storage_scope)
    return (SizeVar if is_size_var else Var)("", kind)


Ptr = ptr = handle


def _dtype(dtype: Any) -> str:
    name = str(getattr(dtype, "dtype", dtype))
    return dtype_of(name).name


def _buffer(how: str, shape: Any, dtype: Any, options: dict[str, Any]) -> BufferForm:
    return BufferForm(how, shape, _dtype(dtype), options)


def Buffer(
    shape: Any, dtype: Any = "float32", data: Any = None, strides: Any = None,
    elem_offset: Any = None, scope: str = "global", align: int = 0, offset_factor: int = 0,
    buffer_type: str = "", axis_separators: Sequence[int] = (),
) -> BufferNode:  # fmt: skip
    """A parameter that is an array; in a body, a view of the memory `data`."""
    options = _options(data, strides, elem_offset, scope, align, offset_factor, buffer_type,
                       axis_separators)  # fmt: skip
    return _buffer("Buffer", shape, dtype, options).make("")


def _options(
    data: Any, strides: Any, elem_offset: Any, scope: str, align: int, offset_factor: int,
    buffer_type: str, axis_separators: Sequence[int],
) -> dict[str, Any]:  # fmt: skip
    kind = "" if buffer_type == "default" else buffer_type
    return {
        "data": data, "strides": strides, "elem_offset": elem_offset, "scope": scope,
        "align": align, "offset_factor": offset_factor, "buffer_type": kind,
        "axis_separators": tuple(axis_separators or ()),
    }  # fmt: skip


buffer = buffer_decl = Buffer


def var(dtype: Any, name: str = "") -> Var:
    """A variable."""
    return Var(name, _dtype(dtype))


boolean = DataTypeName("bool")
void = DataTypeName("void")


def match_buffer(
    param: Any, shape: Any = None, dtype: Any = "float32", data: Any = None, strides: Any = None,
    elem_offset: Any = None, scope: str = "", align: int = 0, offset_factor: int = 0,
    buffer_type: str = "", axis_separators: Sequence[int] = (),
) -> MatchForm:  # fmt: skip
    """The array that a handle parameter points to, or a view of a region of another buffer."""
    options = _options(data, strides, elem_offset, scope, align, offset_factor, buffer_type,
                       axis_separators)  # fmt: skip
    if shape is None and isinstance(param, Var):
        raise ArgumentError("match_buffer of a parameter needs a shape")
    return MatchForm("match_buffer", shape, _dtype(dtype), options, source=param)


def alloc_buffer(
    shape: Any, dtype: Any = "float32", data: Any = None, strides: Any = None,
    elem_offset: Any = None, scope: str = "global", align: int = 0, offset_factor: int = 0,
    buffer_type: str = "", axis_separators: Sequence[int] = (),
) -> BufferNode:  # fmt: skip
    """A buffer that lives within the block; it gets its name where it is assigned."""
    options = _options(data, strides, elem_offset, scope, align, offset_factor, buffer_type,
                       axis_separators)  # fmt: skip
    made: BufferNode = _buffer("alloc_buffer", shape, dtype, options).declare(writing(), "")
    return made


def decl_buffer(
    shape: Any, dtype: Any = "float32", data: Any = None, strides: Any = None,
    elem_offset: Any = None, scope: str = "global", align: int = 0, offset_factor: int = 0,
    buffer_type: str = "", axis_separators: Sequence[int] = (),
) -> BufferForm:  # fmt: skip
    """A view of the memory `data`; new memory without it."""
    options = _options(data, strides, elem_offset, scope, align, offset_factor, buffer_type,
                       axis_separators)  # fmt: skip
    return DeclForm("decl_buffer", shape, _dtype(dtype), options)


# ---- blocks ---------------------------------------------------------------------------------


def block(name: str = "", no_realize: bool = False) -> BlockForm:
    """A block; its axes, regions and body stand inside of the `with`."""
    return BlockForm(name, no_realize)


def init() -> InitForm:
    """The value that a reduction starts from, inside of the `with`."""
    return InitForm()


def _axis(kind: IterVarType) -> Any:
    def declare(dom: Any, binding: Any = None, dtype: str = "int32") -> AxisForm:
        return AxisForm(dom, binding, kind, dtype)

    return declare


class _Axes(SimpleNamespace):
    """What `T.axis` holds."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"script has no `T.axis.{name}`")


axis = _Axes(
    spatial=_axis(IterVarType.DataPar), S=_axis(IterVarType.DataPar),
    reduce=_axis(IterVarType.CommReduce), R=_axis(IterVarType.CommReduce),
    scan=_axis(IterVarType.Ordered), opaque=_axis(IterVarType.Opaque),
    remap=lambda kinds, bindings, dtype="int32": RemapForm(kinds, list(bindings)),
)  # fmt: skip


def _set(name: str, field: str, value: Any) -> Directive:
    def tell(w: Writer) -> None:
        target = w.block(name)
        if getattr(target, field) is not None:
            raise ArgumentError(
                f"block `{target.name}` has two `{name}`", hint="write all of it in one"
            )
        setattr(target, field, value)

    return Directive(name, tell)


def _regions(given: Sequence[Any]) -> tuple[S.BufferRegion, ...]:
    flat = [r for item in given for r in (item if isinstance(item, (list, tuple)) else (item,))]
    return tuple(region_of(r) for r in flat)


def reads(*regions: Any) -> Directive:
    """The regions that the block reads."""
    return _set("T.reads", "reads", _regions(regions))


def writes(*regions: Any) -> Directive:
    """The regions that the block writes."""
    return _set("T.writes", "writes", _regions(regions))


def where(predicate: Any) -> Directive:
    """The block runs only where `predicate` holds."""
    return _set("T.where", "predicate", as_scalar(predicate))


def block_attr(attrs: dict[str, Any]) -> Directive:
    """Annotations of the block."""

    def tell(w: Writer) -> None:
        known = w.block("T.block_attr").annotations
        for key, value in attrs.items():
            if key in known and not structural_equal(known[key], value):
                raise ArgumentError(
                    f"the block has two annotations {key!r}", hint="leave one of them out"
                )
            known[key] = value

    return Directive("T.block_attr", tell)


def func_attr(attrs: dict[str, Any]) -> Directive:
    """Attributes of the function."""
    return Directive("T.func_attr", lambda w: w.attrs.update(attrs))


def func_name(name: str) -> Directive:
    """The name of the function being built."""

    def tell(w: Writer) -> None:
        w.name = name

    return Directive("T.func_name", tell)


def func_ret(ret_type: Any) -> Directive:
    """The type of the result of the function being built."""

    def tell(w: Writer) -> None:
        w.result = return_type(ret_type)

    return Directive("T.func_ret", tell)


def arg(name: str, obj: Any) -> ArgForm:
    """A parameter of the function being built: a variable, or a buffer."""
    return ArgForm(name, obj)


# ---- loops ----------------------------------------------------------------------------------


def grid(*extents: Any) -> LoopForm:
    """Loops from zero, one in another."""
    return LoopForm([loop_domain(extent, None) for extent in extents])


def _loop(kind: S.ForKind) -> Any:
    def loop(
        start: Any, stop: Any = None, *, annotations: dict[str, Any] | None = None
    ) -> LoopForm:
        return LoopForm([loop_domain(start, stop)], kind, annotations)

    return loop


serial = _loop(S.ForKind.SERIAL)
parallel = _loop(S.ForKind.PARALLEL)
vectorized = _loop(S.ForKind.VECTORIZED)
unroll = _loop(S.ForKind.UNROLLED)


_THREAD = re.compile(r"(threadIdx|blockIdx|vthread|clusterCtaIdx)\.[xyz]|[vc]thread")


def thread_binding(
    start: Any, stop: Any = None, thread: str = "", *, annotations: dict[str, Any] | None = None
) -> LoopForm:
    """A loop whose iterations are threads of the device, such as `threadIdx.x`."""
    if isinstance(stop, str):
        stop, thread = None, stop
    if not _THREAD.fullmatch(thread):
        raise ArgumentError(
            f"thread_binding needs the name of a thread axis, found {thread!r}",
            hint='write `thread="threadIdx.x"`, blockIdx.y, vthread...',
        )
    domains = [loop_domain(start, stop)]
    return LoopForm(domains, S.ForKind.THREAD_BINDING, annotations, thread)


# ---- statements with a scope ----------------------------------------------------------------


def allocate(
    extents: Any, dtype: Any, scope: str = "global", condition: Any = None,
    annotations: dict[str, Any] | None = None,
) -> ScopeForm:  # fmt: skip
    """New memory; the name is its address."""
    return allocation(_dtype(dtype), tuple(extents), scope, condition, annotations)


def allocate_const(
    data: Any, dtype: Any, extents: Any, annotations: dict[str, Any] | None = None
) -> ScopeForm:
    """Constant memory; the name is its address."""
    import numpy as np

    name = _dtype(dtype)
    values = np.asarray(data, dtype_of(name).numpy).reshape([int(as_scalar(e)) for e in extents])  # type: ignore[call-overload]

    def declare(given: str) -> Any:
        var = Var(given, pointer(name))  # type: ignore[arg-type]
        return var, lambda body: S.AllocateConst(
            var, name, tuple(extents), values, body, annotations or {}
        )

    return ScopeForm("T.allocate_const", declare)


def LetStmt(value: Any, type_annotation: Any = None, *, var: Var | None = None) -> ScopeForm:
    """`value`, computed once, under a name."""
    made = as_scalar(value)

    def declare(name: str) -> Any:
        bound = _typed(name, type_annotation, made.dtype) if var is None else var
        if not bound.name:
            bound.name = name  # type: ignore[misc]
        return bound, lambda body: S.LetStmt(bound, made, body)

    return ScopeForm("T.LetStmt", declare)


def _typed(name: str, kind: Any, otherwise: str) -> Var:
    if isinstance(kind, Var):
        return kind.copy_with_name(name)
    return Var(name, otherwise if kind is None else getattr(kind, "dtype", kind))


def attr(node: Any, attr_key: str, value: Any) -> ScopeForm:
    """An attribute over what follows."""
    made = StringImm(value) if isinstance(value, str) else as_scalar(value)
    node = StringImm(node) if isinstance(node, str) else node
    return ScopeForm(
        "T.attr", lambda name: (None, lambda body: S.AttrStmt(node, attr_key, made, body)), False
    )


def Assert(condition: Any, message: Any) -> ScopeForm:
    """An error with `message` unless `condition` holds."""
    text = StringImm(message) if isinstance(message, str) else message
    test = as_scalar(condition)
    return ScopeForm(
        "T.Assert", lambda name: (None, lambda body: S.AssertStmt(test, text, body)), False
    )


def realize(
    buffer_slice: Any, storage_scope: str | None = None, condition: Any = True
) -> ScopeForm:
    """A region of a buffer exists in what follows, in memory `storage_scope` if that is given."""
    region, test = region_of(buffer_slice), as_scalar(condition, "bool")

    def close(body: S.Stmt) -> S.Stmt:
        made = S.BufferRealize(region.buffer, region.region, test, body)
        if storage_scope is None:
            return made
        return S.AttrStmt(region.buffer, "realize_scope", StringImm(storage_scope), made)

    return ScopeForm("T.realize", lambda name: (None, close), False)


def env_thread(thread_tag: str, dtype: str = "int32") -> IterVar:
    """The index of a thread, which `launch_thread` gives an extent."""
    return IterVar(None, Var("", dtype), IterVarType.ThreadIndex, thread_tag)


def launch_thread(thread: Any, extent: Any) -> ScopeForm:
    """Runs what follows in `extent` threads; the name is the thread's index."""
    size = as_scalar(extent)

    def declare(name: str) -> Any:
        made = env_thread(thread, size.dtype) if isinstance(thread, str) else thread
        if not made.var.name:
            made.var.name = name  # type: ignore[misc]
        dom = Range(IntImm(size.dtype, 0), size)
        bound = made.replace(dom=dom)
        return made.var, lambda body: S.AttrStmt(bound, "thread_extent", size, body)

    return ScopeForm("T.launch_thread", declare)


def While(condition: Any) -> WhileForm:
    """A loop that runs while `condition` holds."""
    return WhileForm(as_scalar(condition))


def If(condition: Any) -> IfForm:
    """A choice; its branches are `with T.Then():` and `with T.Else():` inside of the `with`."""
    return IfForm(as_scalar(condition))


def Then() -> BranchForm:
    """What runs where the condition of the `T.If` around it holds."""
    return BranchForm("T.Then")


def Else() -> BranchForm:
    """What runs where the condition of the `T.If` around it does not hold."""
    return BranchForm("T.Else")


def buffer_store(
    buffer: Any, value: Any, indices: Sequence[Any], predicate: Any = None
) -> S.BufferStore:
    """The statement `buffer[indices] = value`; slices are vectors, the value is cast if need be."""
    items = indices if isinstance(indices, (list, tuple)) else [indices]
    places = vector_indices(items)
    made = stored_value(value, E.access_dtype(buffer, E.as_indices(places)))
    return S.BufferStore(buffer, made, places, predicate)


def evaluate(value: Any) -> S.Evaluate:
    """A statement that computes `value` for its effect."""
    return S.Evaluate(StringImm(value) if isinstance(value, str) else as_scalar(value))


# ---- expressions ----------------------------------------------------------------------------


def Let(expr: Any, where: dict[Any, Any]) -> PrimExpr:
    """`expr` with the variables of `where` standing for their values."""
    made: PrimExpr = as_scalar(expr)
    for var, value in reversed(list(where.items())):
        made = E.Let(var, as_scalar(value), made)
    return made


Let.script_special = "tir.let"  # type: ignore[attr-defined]


def _let(parser: Parser, node: ast.Call, function: Any) -> PrimExpr:
    """Defines the variables that are not defined yet, then reads the body."""
    where = next((k.value for k in node.keywords if k.arg == "where"), None)
    if where is None and len(node.args) > 1:
        where = node.args[1]
    if not isinstance(where, ast.Dict) or not node.args:
        parser.fail(node, "T.Let is written T.Let(body, where={variable: value})")
    bindings: list[tuple[Var, PrimExpr]] = []
    with parser.scope() as names:
        for key, item in zip(where.keys, where.values, strict=True):
            value = as_scalar(parser.value(item))
            if not isinstance(key, ast.Name):
                parser.fail(where, "T.Let binds names")
            known = name_value(parser, key) if parser.is_bound(key.id) else None
            var = known if isinstance(known, Var) else Var(key.id, value.dtype)
            names[key.id] = var
            bindings.append((var, value))
        return Let(parser.value(node.args[0]), dict(bindings))


SPECIAL["tir.let"] = _let


def cast(value: Any, dtype: Any) -> PrimExpr:  # type: ignore[no-redef]
    """`value` converted to `dtype`."""
    return _convert(value, _dtype(dtype))


def call_intrin(  # type: ignore[no-redef]
    dtype: str, func_name: Any, *args: Any, annotations: Any = None
) -> PrimExpr:
    """A call of any intrinsic by its full name, just as written."""
    made = _call_intrin(dtype, func_name, *args)
    return made if not annotations else made.replace(annotations=dict(annotations))


def CallNode(dtype: str, op: Any, args: Sequence[Any]) -> Call:
    """A call with a result of `dtype`, just as written."""
    return Call(dtype, op, tuple(args))


def iter_var(var: Any, dom: Any, iter_type: str, thread_tag: str = "") -> IterVar:
    """An axis."""
    return IterVar(dom, var, IterVarType[iter_type], thread_tag)


def comm_reducer(combiner: Any, identity: Sequence[Any]) -> CommReducer:
    """A commutative reduction from a function of pairs and its neutral values."""
    values = tuple(as_scalar(i) for i in identity)
    lhs = tuple(Var(f"x{k}", v.dtype) for k, v in enumerate(values))
    rhs = tuple(Var(f"y{k}", v.dtype) for k, v in enumerate(values))
    result = combiner(*lhs, *rhs)
    parts = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    return CommReducer(lhs, rhs, parts, values)


def index_map(mapping: Any, *, inverse_index_map: Any = None, index_dtype: str = "int64") -> Any:
    """A map of indices from a function."""
    return IndexMap.from_func(mapping, inverse_index_map=inverse_index_map, index_dtype=index_dtype)


def target(config: Any, host: Any = None) -> Target:
    """A target from its text or its pieces."""
    return Target(config) if host is None else Target(config, host)


def broadcast(value: Any, lanes: int) -> Broadcast:
    """`value` in each of `lanes` lanes."""
    return Broadcast(as_scalar(value), lanes)


def array(values: Any, dtype: str) -> Any:
    """A NumPy array, such as the data of `allocate_const`."""
    import numpy as np

    return np.array(values, dtype_of(dtype).numpy)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if not name.islower():
        made = named_call(name)
        if made is not None:
            return made
    try:
        return DataTypeName(dtype_of(name).name)
    except ArgumentError:
        pass
    made = named_call(name)
    if made is None:
        raise AttributeError(f"script has no `T.{name}`")
    return made
