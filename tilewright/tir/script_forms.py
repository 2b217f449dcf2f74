"""The names of the dialect `T` that declare, open scopes or act: statements of loop programs."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from ..ir.expr import IntImm, Range, as_scalar
from ..ir.structural import structural_equal
from ..script.parser import FUNCTIONS, Decorator, MacroDecorator
from ..script.parser.arguments import checked, shown_value
from ..support.dtypes import dtype_of
from ..support.errors import ArgumentError
from . import stmt as S
from .accesses import access_dtype, as_indices
from .buffer import Buffer as BufferNode
from .expr import (
    IterVar,
    IterVarType,
    SizeVar,
    StringImm,
    Var,
    pointer,
)
from .forms import (
    DataTypeName,
    Directive,
    LoopForm,
    MetaVar,
    ScopeForm,
    loop_domain,
    return_type,
    writing,
)
from .forms_block import (
    AxisForm,
    BlockForm,
    BranchForm,
    IfForm,
    InitForm,
    RemapForm,
    WhileForm,
    require_outside,
)
from .forms_buffer import ArgForm, BufferForm, DeclForm, MatchForm, allocation, region_of
from .kinds import (
    BufferOf,
    DataType,
    Domain,
    Extents,
    Indices,
    Memory,
    Scalar,
    ScalarOrText,
    Strides,
    Text,
    data_type,
    thread_axis,
)
from .parser import FUNCTIONS as _LOADED
from .parser import vector_indices
from .script_rules import stored_value
from .writer import Writer

__all__ = [
    "Assert", "Buffer", "Else", "If", "LetStmt", "Ptr", "Then", "While", "alloc_buffer",
    "allocate", "allocate_const", "arg", "attr", "axis", "block", "block_attr", "boolean", "buffer",
    "buffer_decl", "buffer_store", "decl_buffer", "env_thread", "evaluate", "func_attr",
    "func_name", "func_ret", "grid", "handle", "init", "inline", "launch_thread", "macro",
    "match_buffer", "meta_var", "parallel", "prim_func", "ptr", "reads", "realize", "serial",
    "thread_binding", "unroll", "var", "vectorized", "void", "where", "writes",
]  # fmt: skip

assert FUNCTIONS is _LOADED

prim_func = Decorator(
    "tir", FUNCTIONS, "T.prim_func", private=False, check_well_formed=True, root=True
)
macro = inline = MacroDecorator("T.macro")


def meta_var(value: Any) -> MetaVar:
    """A Python value that an assignment binds as it is."""
    return MetaVar(value)


# ---- types and buffers ----------------------------------------------------------------------


def handle(
    dtype: DataType | None = None, storage_scope: str = "global", *, is_size_var: bool = False
) -> Var:
    """An address: of anything, or of elements of `dtype`."""
    kind: Any = "handle"
    if dtype is not None:
        kind = pointer(str(getattr(dtype, "dtype", dtype)), storage_scope)
    return (SizeVar if is_size_var else Var)("", kind)


Ptr = ptr = handle


def _buffer(how: str, shape: Any, dtype: Any, options: dict[str, Any]) -> BufferForm:
    return BufferForm(how, shape, data_type(dtype), options)


def Buffer(
    shape: Any, dtype: DataType = "float32", data: Memory | None = None,
    strides: Strides | None = None, elem_offset: Scalar | None = None, scope: str = "global",
    align: int = 0, offset_factor: int = 0, buffer_type: str = "",
    axis_separators: Sequence[int] | None = (),
) -> BufferNode:  # fmt: skip
    """A parameter that is an array; in a body, a view of the memory `data`."""
    options = _options(data, strides, elem_offset, scope, align, offset_factor, buffer_type,
                       axis_separators)  # fmt: skip
    return _buffer("Buffer", shape, dtype, options).make("")


def _options(
    data: Any, strides: Any, elem_offset: Any, scope: str, align: int, offset_factor: int,
    buffer_type: str, axis_separators: Sequence[int] | None,
) -> dict[str, Any]:  # fmt: skip
    kind = "" if buffer_type == "default" else buffer_type
    return {
        "data": data, "strides": strides, "elem_offset": elem_offset, "scope": scope,
        "align": align, "offset_factor": offset_factor, "buffer_type": kind,
        "axis_separators": tuple(axis_separators or ()),
    }  # fmt: skip


buffer = buffer_decl = Buffer


def var(dtype: DataType, name: str = "") -> Var:
    """A variable."""
    return Var(name, data_type(dtype))


boolean = DataTypeName("bool")
void = DataTypeName("void")


def match_buffer(
    param: Any, shape: Any = None, dtype: DataType = "float32", data: Memory | None = None,
    strides: Strides | None = None, elem_offset: Scalar | None = None, scope: str = "",
    align: int = 0, offset_factor: int = 0, buffer_type: str = "",
    axis_separators: Sequence[int] | None = (),
) -> MatchForm:  # fmt: skip
    """The array that a handle parameter points to, or a view of a region of another buffer."""
    options = _options(data, strides, elem_offset, scope, align, offset_factor, buffer_type,
                       axis_separators)  # fmt: skip
    if shape is None and isinstance(param, Var):
        raise ArgumentError("match_buffer of a parameter needs a shape")
    return MatchForm("match_buffer", shape, data_type(dtype), options, source=param)


def alloc_buffer(
    shape: Any, dtype: DataType = "float32", data: Memory | None = None,
    strides: Strides | None = None, elem_offset: Scalar | None = None, scope: str = "global",
    align: int = 0, offset_factor: int = 0, buffer_type: str = "",
    axis_separators: Sequence[int] | None = (),
) -> BufferNode:  # fmt: skip
    """A buffer that lives within the block; it gets its name where it is assigned."""
    options = _options(data, strides, elem_offset, scope, align, offset_factor, buffer_type,
                       axis_separators)  # fmt: skip
    made: BufferNode = _buffer("alloc_buffer", shape, dtype, options).declare(writing(), "")
    return made


def decl_buffer(
    shape: Any, dtype: DataType = "float32", data: Memory | None = None,
    strides: Strides | None = None, elem_offset: Scalar | None = None, scope: str = "global",
    align: int = 0, offset_factor: int = 0, buffer_type: str = "",
    axis_separators: Sequence[int] | None = (),
) -> BufferForm:  # fmt: skip
    """A view of the memory `data`; new memory without it."""
    options = _options(data, strides, elem_offset, scope, align, offset_factor, buffer_type,
                       axis_separators)  # fmt: skip
    return DeclForm("decl_buffer", shape, data_type(dtype), options)


# ---- blocks ---------------------------------------------------------------------------------


def block(name: str = "", no_realize: bool = False) -> BlockForm:
    """A block; its axes, regions and body stand inside of the `with`."""
    return BlockForm(name, no_realize)


def init() -> InitForm:
    """The value that a reduction starts from, inside of the `with`."""
    return InitForm()


def _axis(kind: IterVarType) -> Any:
    def declare(dom: Domain, binding: Scalar | None = None, dtype: DataType = "int32") -> AxisForm:
        return AxisForm(dom, binding, kind, dtype)

    return declare


def _remap(kinds: str, bindings: Sequence[Scalar], dtype: DataType = "int32") -> RemapForm:
    return RemapForm(kinds, list(bindings))


class _Axes(SimpleNamespace):
    """What `T.axis` holds."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"script has no `T.axis.{name}`")


_AXES = {
    "spatial": _axis(IterVarType.DataPar), "S": _axis(IterVarType.DataPar),
    "reduce": _axis(IterVarType.CommReduce), "R": _axis(IterVarType.CommReduce),
    "scan": _axis(IterVarType.Ordered), "opaque": _axis(IterVarType.Opaque), "remap": _remap,
}  # fmt: skip
axis = _Axes(**{name: checked(f"T.axis.{name}")(make) for name, make in _AXES.items()})


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


def where(predicate: Scalar) -> Directive:
    """The block runs only where `predicate`, a condition on the loops around it, holds."""
    condition = as_scalar(predicate)
    known = _set("T.where", "predicate", condition)

    def tell(w: Writer) -> None:
        if w.check_well_formed:
            require_outside(w.block("T.where"), condition, "the condition of T.where is")
        known.tell(w)

    return Directive("T.where", tell)


def block_attr(attrs: dict[str, Any]) -> Directive:
    """Annotations of the block."""

    def tell(w: Writer) -> None:
        _merge(w.block("T.block_attr").annotations, attrs)

    return Directive("T.block_attr", tell)


def _merge(known: dict[str, Any], more: dict[str, Any]) -> None:
    """Adds annotations; those that are dictionaries are merged."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(known.get(key), dict):
            known[key] = dict(known[key])
            _merge(known[key], value)
        elif key in known and not structural_equal(known[key], value):
            raise ArgumentError(
                f"the block has two annotations {key!r}", hint="leave one of them out"
            )
        else:
            known[key] = value


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


def thread_binding(
    start: Any, stop: Any = None, thread: str = "", *, annotations: dict[str, Any] | None = None
) -> LoopForm:
    """A loop whose iterations are threads of the device, such as `threadIdx.x`."""
    if isinstance(stop, str):
        stop, thread = None, stop
    domains = [loop_domain(start, stop)]
    tag = thread_axis("thread_binding", thread)
    return LoopForm(domains, S.ForKind.THREAD_BINDING, annotations, tag)


# ---- statements with a scope ----------------------------------------------------------------


def allocate(
    extents: Extents, dtype: DataType, scope: str = "global", condition: Scalar | None = None,
    annotations: dict[str, Any] | None = None,
) -> ScopeForm:  # fmt: skip
    """New memory; the name is its address."""
    return allocation(data_type(dtype), tuple(extents), scope, condition, annotations)


def allocate_const(
    data: Any, dtype: DataType, extents: Extents, annotations: dict[str, Any] | None = None
) -> ScopeForm:
    """Constant memory; the name is its address."""
    import numpy as np

    name = data_type(dtype)
    shape = [extent.value for extent in map(as_scalar, extents) if isinstance(extent, IntImm)]
    if len(shape) != len(extents):
        raise ArgumentError("the extents of T.allocate_const are integers", hint="write [2, 3]")
    try:
        values = np.asarray(data, dtype_of(name).numpy).reshape(shape)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"T.allocate_const of {name} and extents {shape} does not take {shown_value(data)}",
            hint="give a list of numbers, or an array, of as many elements",
        ) from None

    def declare(given: str) -> Any:
        var = Var(given, pointer(name))  # type: ignore[arg-type]
        return var, lambda body: S.AllocateConst(
            var, name, tuple(extents), values, body, annotations or {}
        )

    return ScopeForm("T.allocate_const", declare)


def LetStmt(value: Scalar, type_annotation: Any = None, *, var: Var | None = None) -> ScopeForm:
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


def attr(node: Any, attr_key: str, value: ScalarOrText) -> ScopeForm:
    """An attribute over what follows."""
    return ScopeForm(
        "T.attr", lambda name: (None, lambda body: S.AttrStmt(node, attr_key, value, body)), False
    )


def Assert(condition: Scalar, message: Text) -> ScopeForm:
    """An error with `message` unless `condition` holds."""
    text = StringImm(message) if isinstance(message, str) else message
    test = as_scalar(condition)
    return ScopeForm(
        "T.Assert", lambda name: (None, lambda body: S.AssertStmt(test, text, body)), False
    )


def realize(
    buffer_slice: Any, storage_scope: str | None = None, condition: Scalar = True
) -> ScopeForm:
    """A region of a buffer exists in what follows, in memory `storage_scope` if that is given."""
    if isinstance(buffer_slice, BufferNode):
        raise ArgumentError(
            f"T.realize takes a region, found the buffer `{buffer_slice.name}`",
            hint="write its ends, as in `A[0:16, 0:16]`",
        )
    region, test = region_of(buffer_slice), as_scalar(condition, "bool")

    def close(body: S.Stmt) -> S.Stmt:
        made = S.BufferRealize(region.buffer, region.region, test, body)
        if storage_scope is None:
            return made
        return S.AttrStmt(region.buffer, "realize_scope", StringImm(storage_scope), made)

    return ScopeForm("T.realize", lambda name: (None, close), False)


def env_thread(thread_tag: str, dtype: DataType = "int32") -> IterVar:
    """The index of a thread, which `launch_thread` gives an extent."""
    tag = thread_axis("env_thread", thread_tag)
    return IterVar(None, Var("", data_type(dtype)), IterVarType.ThreadIndex, tag)


def launch_thread(thread: str | IterVar, extent: Scalar) -> ScopeForm:
    """Runs what follows in `extent` threads; the name is the thread's index."""
    size = as_scalar(extent)
    if isinstance(thread, str):
        thread_axis("launch_thread", thread)

    def declare(name: str) -> Any:
        made = env_thread(thread, size.dtype) if isinstance(thread, str) else thread
        if not made.var.name:
            made.var.name = name  # type: ignore[misc]
        dom = Range(IntImm(size.dtype, 0), size)
        bound = made.replace(dom=dom)
        key = S.launch_key(made.thread_tag)
        return made.var, lambda body: S.AttrStmt(bound, key, size, body)

    return ScopeForm("T.launch_thread", declare)


def While(condition: Scalar) -> WhileForm:
    """A loop that runs while `condition` holds."""
    return WhileForm(as_scalar(condition))


def If(condition: Scalar) -> IfForm:
    """A choice; its branches are `with T.Then():` and `with T.Else():` inside of the `with`."""
    return IfForm(as_scalar(condition))


def Then() -> BranchForm:
    """What runs where the condition of the `T.If` around it holds."""
    return BranchForm("T.Then")


def Else() -> BranchForm:
    """What runs where the condition of the `T.If` around it does not hold."""
    return BranchForm("T.Else")


def buffer_store(
    buffer: BufferOf, value: Scalar, indices: Indices, predicate: Scalar | None = None
) -> S.BufferStore:
    """The statement `buffer[indices] = value`; slices are vectors, the value is cast if need be."""
    items = indices if isinstance(indices, (list, tuple)) else [indices]
    places = vector_indices(items)
    made = stored_value(value, access_dtype(buffer, as_indices(places)))
    return S.BufferStore(buffer, made, places, predicate)


def evaluate(value: ScalarOrText) -> S.Evaluate:
    """A statement that computes `value` for its effect."""
    return S.Evaluate(StringImm(value) if isinstance(value, str) else as_scalar(value))
