"""How statements and functions of loop programs print."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from ..ir.expr import IntImm, PrimExpr
from ..ir.functor import post_order_visit
from ..ir.structural import structural_equal
from ..ir.type import PointerType, PrimType, TupleType
from ..script.printer import Printer, prints, programs, statements, word
from . import expr as E
from . import stmt as S
from .analysis.effects import has_way_out
from .buffer import Buffer
from .function import PrimFunc
from .kinds import is_thread_tag
from .printer import (
    buffer_arguments,
    declare_buffer,
    free_variable,
    has_ends,
    index_text,
    t,
    typed_var,
)
from .printer_free import shared_threads, shares_definitions, undeclared, unknown_dims

statements(S.Stmt, S.MatchBufferRegion)
programs(PrimFunc)


@prints(S.SeqStmt)
def seq(p: Printer, s: S.SeqStmt) -> None:
    """One after another; only the last may leave its scope open."""
    if len(s.seq) == 1:
        return _raw(p, s)
    outer = p.facts.get("tail", False)
    for index, stmt in enumerate(s.seq):
        p.facts["tail"] = outer and index == len(s.seq) - 1
        p.statement(stmt)
    p.facts["tail"] = outer


def _scoped(p: Printer, plain: str, with_form: str, body: S.Stmt | _Viewed) -> None:
    """A statement whose scope is `body`: plain where the rest of the block is the scope."""
    if p.facts.get("tail", False) and p.config.syntax_sugar and not p.is_marked_now():
        p.line(plain)
        p.statement(body)
    else:
        with p.indent(f"with {with_form}:"):
            _body(p, body)


def _body(p: Printer, body: S.Stmt | _Viewed) -> None:
    outer = p.facts.get("tail", False)
    p.facts["tail"] = True
    p.statement(body)
    p.facts["tail"] = outer


@prints(S.LetStmt)
def let_stmt(p: Printer, s: S.LetStmt) -> None:
    """`x: T.int32 = value`."""
    value = p(s.value)
    typed = typed_var(p, s.var)
    name, _, kind = typed.partition(": ")
    if _is_declared(p, s.var):
        form = f"{t(p, 'LetStmt')}({value}, var={name})"
        _scoped(p, form, form, _Viewed(s.var, s.body))
        return
    plain = type(s.var) is E.Var and kind == t(p, s.value.dtype)
    form = f"{t(p, 'LetStmt')}({value}{'' if plain else f', {kind}'}) as {name}"
    _scoped(p, f"{typed} = {value}", form, _Viewed(s.var, s.body))


@prints(S.AttrStmt)
def attr_stmt(p: Printer, s: S.AttrStmt) -> None:
    """`T.attr(node, key, value)`."""
    if _is_launch(p, s):
        name = p(s.node.var)
        if id(s.node.var) in p.facts.get("threads", ()):
            form = f"{t(p, 'launch_thread')}({name}, {p(s.value)})"
            _scoped(p, form, form, s.body)
            return
        form = f"{t(p, 'launch_thread')}({p(s.node.thread_tag)}, {p(s.value)})"
        _scoped(p, f"{name} = {form}", f"{form} as {name}", s.body)
        return
    body = s.body
    if isinstance(body, S.BufferRealize) and (s.attr_key, s.node) == ("realize_scope", body.buffer):
        _realize(p, body, s.value)
        return
    node = s.node.data if isinstance(s.node, Buffer) and not p.is_named(s.node) else s.node
    shown = p(node) if isinstance(node, (PrimExpr, Buffer)) else p.attributes(node)
    form = f"{t(p, 'attr')}({shown}, {p(s.attr_key)}, {p(s.value)})"
    _scoped(p, form, form, s.body)


@prints(S.BufferRealize)
def buffer_realize(p: Printer, s: S.BufferRealize) -> None:
    """`T.realize(A[0:16, 0:16])`."""
    _realize(p, s, None)


def _realize(p: Printer, s: S.BufferRealize, scope: PrimExpr | None) -> None:
    """The same, with the memory that an attribute around it names."""
    always = isinstance(s.condition, IntImm) and s.condition.value == 1
    args = [str(p(S.BufferRegion(s.buffer, s.bounds)))]
    args += [] if scope is None else [str(p(scope))]
    args += [] if always else [f"condition={p(s.condition)}"]
    form = f"{t(p, 'realize')}({', '.join(args)})"
    _scoped(p, form, form, s.body)


def _is_launch(p: Printer, s: S.AttrStmt) -> bool:
    node = s.node
    if not isinstance(node, E.IterVar) or node.dom is None or not is_thread_tag(node.thread_tag):
        return False
    if p.is_named(node.var) and id(node.var) not in p.facts.get("threads", ()):
        return False
    if s.attr_key != S.launch_key(node.thread_tag):
        return False
    zero = isinstance(node.dom.min, IntImm) and node.dom.min.value == 0
    return zero and structural_equal(node.dom.extent, s.value) and node.iter_type == 1


@prints(S.AssertStmt)
def assert_stmt(p: Printer, s: S.AssertStmt) -> None:
    """`assert condition, message`."""
    if not isinstance(s.message, E.StringImm):
        return _raw(p, s)
    form = f"{t(p, 'Assert')}({p(s.condition)}, {p(s.message)})"
    _scoped(p, f"assert {p(s.condition)}, {p(s.message)}", form, s.body)


def _is_declared(p: Printer, var: E.Var) -> bool:
    """Whether the head of the function declares a variable that a statement defines."""
    return id(var) in p.facts.get("free", ())


def _raw(p: Printer, s: S.Stmt) -> None:
    """A statement by its fields: script's own words would be read as another one."""
    p.line(p.attributes(s))


_LOOPS = {
    S.ForKind.SERIAL: "serial", S.ForKind.PARALLEL: "parallel",
    S.ForKind.VECTORIZED: "vectorized", S.ForKind.UNROLLED: "unroll",
}  # fmt: skip


@prints(S.For)
def for_(p: Printer, s: S.For) -> None:
    """A loop; a nest of plain ones is one `T.grid`."""
    if not _is_bound_plainly(s) or _is_declared(p, s.loop_var):
        return _raw(p, s)
    nest = _grid(p, s)
    with p.scope():
        loops = p.facts["loops"] = dict(p.facts.get("loops", {}))
        bounds = _loop_kind(p, s) if len(nest) == 1 else ""
        bounds = bounds or f"{t(p, 'grid')}({p.list([loop.extent for loop in nest])})"
        names = [p.name(loop.loop_var, loop.loop_var.name) for loop in nest]
        names = [p.defined(l.loop_var, name) for l, name in zip(nest, names, strict=True)]
        loops.update({id(loop.loop_var): loop for loop in nest})
        head = f"for {', '.join(names)} in {bounds}:"
        with p.indent(head):
            _body(p, nest[-1].body)


def _is_bound_plainly(s: S.For) -> bool:
    """Whether the loop's kind and the tag of its thread say all about its binding."""
    axis = s.thread_binding
    if axis is None or s.kind is not S.ForKind.THREAD_BINDING:
        return axis is None and s.kind is not S.ForKind.THREAD_BINDING
    is_thread = axis.dom is None and axis.iter_type == E.IterVarType.ThreadIndex
    return is_thread and axis.var.dtype == s.loop_var.dtype and is_thread_tag(axis.thread_tag)


def _grid(p: Printer, s: S.For) -> list[S.For]:
    nest: list[S.For] = []
    seen: set[int] = set()
    loop: S.Stmt = s
    while isinstance(loop, S.For) and _is_grid(loop) and not _uses(loop.extent, seen):
        if _is_declared(p, loop.loop_var):
            break
        if nest and (not p.config.syntax_sugar or p.is_marked(loop)):
            break
        nest.append(loop)
        seen.add(id(loop.loop_var))
        loop = loop.body
    return nest or [s]


def _is_grid(loop: S.For) -> bool:
    return _is_plain(loop) and loop.thread_binding is None


def _is_plain(loop: S.For) -> bool:
    zero = isinstance(loop.min, IntImm) and loop.min.value == 0
    return zero and loop.kind is S.ForKind.SERIAL and not loop.annotations


def _uses(value: PrimExpr, variables: set[int]) -> bool:
    found: list[bool] = []
    post_order_visit(value, lambda n: found.append(True) if id(n) in variables else None)
    return bool(found)


def _loop_kind(p: Printer, s: S.For) -> str:
    zero = isinstance(s.min, IntImm) and s.min.value == 0
    if zero:
        bounds = str(p(s.extent))
    elif has_ends(s.min, s.extent):
        bounds = f"{p(s.min)}, {p(s.min + s.extent)}"
    else:
        bounds = f"{p.config.ir_prefix}.range_of({p(s.min)}, {p(s.extent)})"
    if _is_plain(s) or (s.kind is S.ForKind.SERIAL and not s.annotations):
        return f"range({bounds})"
    extra = f", annotations={p.attributes(s.annotations)}" if s.annotations else ""
    if s.kind is S.ForKind.THREAD_BINDING:
        tag = s.thread_binding.thread_tag if s.thread_binding is not None else ""
        return f'{t(p, "thread_binding")}({bounds}, thread="{tag}"{extra})'
    return f"{t(p, _LOOPS[s.kind])}({bounds}{extra})"


@prints(S.While)
def while_(p: Printer, s: S.While) -> None:
    """`while condition:`."""
    if isinstance(s.condition, IntImm) and not (s.condition.value and has_way_out(s.body)):
        return _raw(p, s)
    condition = "True" if isinstance(s.condition, IntImm) else p(s.condition)
    with p.indent(f"while {condition}:"):
        _body(p, s.body)


@prints(S.IfThenElse)
def if_(p: Printer, s: S.IfThenElse) -> None:
    """`if condition: ... else: ...`."""
    with p.indent(f"if {p(s.condition)}:"), p.scope():
        _body(p, s.then_case)
    if s.else_case is not None:
        with p.indent("else:"), p.scope():
            _body(p, s.else_case)


@prints(S.Evaluate)
def evaluate(p: Printer, s: S.Evaluate) -> None:
    """An intrinsic call stands alone; other expressions are in `T.evaluate`."""
    returned = _returned(p, s.value)
    if returned is not None:
        p.line(f"return {p(returned)}")
        return
    text = p(s.value)
    p.line(text if isinstance(s.value, E.Call) else f"{t(p, 'evaluate')}({text})")


def _returned(p: Printer, value: PrimExpr) -> Any:
    """What `return` is followed by where that is read as this call; None for another expression."""
    if not isinstance(value, E.Call) or getattr(value.op, "name", "") != "tir.ret":
        return None
    if len(value.args) != 1 or p.is_marked(value):
        return None
    result: Any = value.args[0]
    return result if result.dtype == value.dtype else None


@prints(S.BufferStore)
def store(p: Printer, s: S.BufferStore) -> None:
    """`A[i, j] = value`."""
    if s.predicate is not None:
        args = f"[{p.list(s.indices)}], {p(s.value)}, predicate={p(s.predicate)}"
        p.line(f"{p(s.buffer)}.vstore({args})")
    else:
        p.line(f"{p(s.buffer)}[{index_text(p, s.indices)}] = {p(s.value)}")


def _scope_name(v: E.Var) -> str:
    kind = v.type_annotation
    return (kind.storage_scope or "global") if isinstance(kind, PointerType) else "global"


def _is_typed(memory: E.Var, dtype: str, scope: str) -> bool:
    return structural_equal(memory.type_annotation, PointerType(PrimType(dtype), scope))


@prints(S.Allocate)
def allocate(p: Printer, s: S.Allocate) -> None:
    """`A = T.allocate([extents], dtype, scope)`; with the one buffer that is the whole of it,
    `A = T.decl_buffer(shape)`."""
    typed = _is_typed(s.buffer_var, s.dtype, _scope_name(s.buffer_var))
    if not typed or _is_declared(p, s.buffer_var):
        return _raw(p, s)
    if _is_owned(p, s):
        b = s.body.buffer  # type: ignore[attr-defined]
        name = declare_buffer(p, b)
        form = f"{t(p, 'decl_buffer')}({buffer_arguments(p, b, with_data=False)})"
        _scoped(p, f"{name} = {form}", f"{form} as {name}", _Viewed(s.buffer_var, s.body.body))  # type: ignore[attr-defined]
        return
    extra = f", annotations={p.attributes(s.annotations)}" if s.annotations else ""
    if not (isinstance(s.condition, IntImm) and s.condition.value == 1):
        extra = f", {p(s.condition)}" + extra
    args = f'[{p.list(s.extents)}], "{s.dtype}", {p(_scope_name(s.buffer_var))}{extra}'
    form = f"{t(p, 'allocate')}({args})"
    name = p(s.buffer_var)
    _scoped(p, f"{name} = {form}", f"{form} as {name}", _Viewed(s.buffer_var, s.body))


def _is_owned(p: Printer, s: S.Allocate) -> bool:
    """Whether a buffer is declared of all that is allocated, so that one declaration makes both."""
    if not isinstance(s.body, S.DeclBuffer) or not p.config.syntax_sugar or p.is_marked(s.body):
        return False
    b = s.body.buffer
    always = isinstance(s.condition, IntImm) and s.condition.value == 1
    begins = isinstance(b.elem_offset, IntImm) and b.elem_offset.value == 0
    return (
        always
        and begins
        and b.data is s.buffer_var
        and not (s.annotations or b.strides or p.is_named(b.data))
        and b.data.type_annotation == PointerType(PrimType(b.dtype), b.scope())
        and s.dtype == b.dtype
        and structural_equal(s.extents, b.shape)
    )


@prints(S.AllocateConst)
def allocate_const(p: Printer, s: S.AllocateConst) -> None:
    """`A = T.allocate_const(data, dtype, extents)`."""
    if not _is_typed(s.buffer_var, s.dtype, "global") or _is_declared(p, s.buffer_var):
        return _raw(p, s)
    extra = f", annotations={p.attributes(s.annotations)}" if s.annotations else ""
    form = f'{t(p, "allocate_const")}({p(s.array)}, "{s.dtype}", [{p.list(s.extents)}]{extra})'
    name = p(s.buffer_var)
    _scoped(p, f"{name} = {form}", f"{form} as {name}", _Viewed(s.buffer_var, s.body))


@dataclass
class _Viewed:
    """A body that sees memory through buffers that nothing in it declares."""

    memory: E.Var
    body: S.Stmt


@prints(_Viewed)
def viewed(p: Printer, s: _Viewed) -> None:
    """`A_1 = T.Buffer(shape, dtype, data=A)`, and the body."""
    _views(p, s.memory)
    p.statement(s.body)


def _views(p: Printer, memory: E.Var) -> None:
    for b in p.facts.get("views", {}).get(id(memory), ()):
        if p.is_named(b):
            continue
        text = buffer_arguments(p, b, with_data=True)
        p.line(f"{p.name(b, b.name)} = {t(p, 'Buffer')}({text})")


@prints(S.DeclBuffer)
def decl_buffer(p: Printer, s: S.DeclBuffer) -> None:
    """`A = T.decl_buffer(shape, dtype, data=...)`."""
    name = declare_buffer(p, s.buffer)
    form = f"{t(p, 'decl_buffer')}({buffer_arguments(p, s.buffer, with_data=True)})"
    _scoped(p, f"{name} = {form}", f"{form} as {name}", s.body)


@prints(S.Block)
def bare_block(p: Printer, b: S.Block) -> None:
    """A block outside a realize."""
    if not all(map(_is_axis, b.iter_vars)) or shares_definitions(p, b):
        return _raw(p, b)
    with p.indent(f"with {t(p, 'block')}({p(b.name_hint)}, no_realize=True):"), p.scope():
        for axis in b.iter_vars:
            p.line(f"{_axis_name(p, axis)} = {_axis(p, axis, None)}")
        _block_inside(p, b)


@prints(S.BlockRealize)
def realize(p: Printer, s: S.BlockRealize) -> None:
    """`with T.block(name):` with its axes, regions and body."""
    b = s.block
    if not all(map(_is_axis, b.iter_vars)) or shares_definitions(p, b):
        return _raw(p, s)
    with p.indent(f"with {t(p, 'block')}({p(b.name_hint)}):"), p.scope():
        values = [p(v) for v in s.iter_values]
        _axes(p, s, values)
        if not (isinstance(s.predicate, IntImm) and s.predicate.value == 1):
            p.line(f"{t(p, 'where')}({p(s.predicate)})")
        _block_inside(p, b)


_AXIS = {
    E.IterVarType.DataPar: "spatial", E.IterVarType.CommReduce: "reduce",
    E.IterVarType.Ordered: "scan", E.IterVarType.Opaque: "opaque",
}  # fmt: skip
_LETTER = {E.IterVarType.DataPar: "S", E.IterVarType.CommReduce: "R"}


def _is_axis(axis: E.IterVar) -> bool:
    return axis.dom is not None and axis.iter_type in _AXIS and not axis.thread_tag


def _axes(p: Printer, s: S.BlockRealize, values: list[Any]) -> None:
    """A line an axis; those side by side which are just loops share one."""
    rows = zip(s.block.iter_vars, s.iter_values, values, strict=True)
    for remaps, group in itertools.groupby(rows, lambda row: _remaps(p, row[0], row[1])):
        members = list(group)
        if remaps and len(members) > 1 and p.config.syntax_sugar:
            names = ", ".join([_axis_name(p, a) for a, _, _ in members])
            kinds = "".join(_LETTER[a.iter_type] for a, _, _ in members)
            shown = ", ".join(text for _, _, text in members)
            p.line(f'{names} = {t(p, "axis")}.remap("{kinds}", [{shown}])')
            continue
        for axis, _, text in members:
            p.line(f"{_axis_name(p, axis)} = {_axis(p, axis, text)}")


def _axis_name(p: Printer, axis: E.IterVar) -> str:
    return p.marked(axis, p(axis.var))


def _remaps(p: Printer, axis: E.IterVar, value: PrimExpr) -> bool:
    loop = p.facts.get("loops", {}).get(id(value))
    if loop is None or axis.iter_type not in _LETTER or axis.dom is None:
        return False
    return _same(loop.min, axis.dom.min) and _same(loop.extent, axis.dom.extent)


def _same(a: PrimExpr, b: PrimExpr) -> bool:
    if isinstance(a, IntImm) and isinstance(b, IntImm):
        return a.value == b.value and a.dtype == b.dtype
    return a is b


def _axis(p: Printer, axis: E.IterVar, value: Any) -> str:
    dom = axis.dom
    assert dom is not None
    zero = isinstance(dom.min, IntImm) and dom.min.value == 0
    shown = p(dom.extent) if zero else f"({p(dom.min)}, {p(dom.min + dom.extent)})"
    rest = f", {value}" if value is not None else ""
    return f"{t(p, 'axis')}.{_AXIS[axis.iter_type]}({shown}{rest})"


def _block_inside(p: Printer, b: S.Block) -> None:
    p.line(f"{t(p, 'reads')}({p.list(b.reads)})")
    p.line(f"{t(p, 'writes')}({p.list(b.writes)})")
    if b.annotations:
        p.line(f"{t(p, 'block_attr')}({p.attributes(b.annotations)})")
    _allocs(p, b.alloc_buffers)
    for m in b.match_buffers:
        p.statement(m)
    if b.init is not None:
        with p.indent(f"with {t(p, 'init')}():"), p.scope():
            _body(p, b.init)
    _body(p, b.body)


@prints(S.MatchBufferRegion)
def match_region(p: Printer, m: S.MatchBufferRegion) -> None:
    """`A = T.match_buffer(B[region], shape)`."""
    source = p(m.source)
    name = declare_buffer(p, m.buffer)
    args = buffer_arguments(p, m.buffer, with_data=False)
    p.line(f"{name} = {t(p, 'match_buffer')}({source}, {args})")


def _allocs(p: Printer, buffers: tuple[Buffer, ...]) -> None:
    for b in buffers:
        name = declare_buffer(p, b)
        p.line(f"{name} = {t(p, 'alloc_buffer')}({buffer_arguments(p, b, with_data=False)})")


@prints(PrimFunc)
def prim_func(p: Printer, f: PrimFunc) -> None:
    """A function with its parameters, attributes and body."""
    with p.scope():
        p.facts["in_program"] = True
        public = f.attrs.get("global_symbol")
        name = p.facts.pop("function", None) or word(public or "main")
        options = [] if public is not None else ["private=True"]
        if _lacks_root(f.body):
            options.append("root=False")
        attrs = {k: v for k, v in f.attrs.items() if not (k == "global_symbol" and v == name)}
        sugar = _simple(p, f)
        params = []
        for v in f.params:
            if v in sugar:
                array = declare_buffer(p, sugar[v])
                args = buffer_arguments(p, sugar[v], with_data=False, all_dtypes=True)
                params.append(f"{p.defined(v, array)}: {t(p, 'Buffer')}({args})")
            else:
                params.append(typed_var(p, v))
        is_void = isinstance(f.ret_type, TupleType) and not f.ret_type.items
        is_tuple = isinstance(f.ret_type, TupleType)
        ret = "" if is_void else f" -> {p.attribute(f.ret_type) if is_tuple else p(f.ret_type)}"
        p.line(f"@{t(p, 'prim_func')}" + (f"({', '.join(options)})" if options else ""))
        with p.indent(f"def {name}({', '.join(params)}){ret}:"):
            _function_inside(p, f, attrs, sugar)


def _function_inside(
    p: Printer, f: PrimFunc, attrs: dict[str, Any], simple: dict[E.Var, Buffer]
) -> None:
    names: list[Any] = []
    post_order_visit(attrs, lambda n: names.append(n) if isinstance(n, (E.Var, Buffer)) else None)
    if attrs and not names:
        p.line(f"{t(p, 'func_attr')}({p.attributes(attrs)})")
    for v, b in f.buffer_map.items():
        if v in simple:
            continue
        for dim in unknown_dims(p, b):
            p.line(f"{p(dim)} = {free_variable(p, dim)}")
        handle = p(v)
        if not p.is_named(b.data) and not _is_typed(b.data, b.dtype, b.scope()):
            p.line(f"{p(b.data)} = {free_variable(p, b.data)}")
        with_data = p.is_named(b.data)
        if p.is_named(b):  # the buffer of another parameter as well
            name = p.name(p.facts.setdefault(f"buffer of {handle}", [b]), b.name)
        else:
            name = declare_buffer(p, b)
        args = buffer_arguments(p, b, with_data=with_data)
        p.line(f"{name} = {t(p, 'match_buffer')}({handle}, {args})")
    variables, buffers = undeclared(f)
    p.facts["views"] = buffers
    p.facts["free"] = {id(var) for var in variables}
    threads = shared_threads(f.body, variables)
    p.facts["threads"] = {id(axis.var) for axis in threads}
    for axis in threads:
        dtype = "" if axis.var.dtype == p.config.int_dtype else f', "{axis.var.dtype}"'
        p.line(f'{p(axis.var)} = {t(p, "env_thread")}("{axis.thread_tag}"{dtype})')
    for var in variables:
        if not p.is_named(var):
            p.line(f"{p(var)} = {free_variable(p, var)}")
    for var in dict.fromkeys((*f.params, *(b.data for b in f.buffer_map.values()), *variables)):
        _views(p, var)
    if names:
        p.line(f"{t(p, 'func_attr')}({p.attributes(attrs)})")
    body = f.body
    sugar = p.config.syntax_sugar and not p.is_marked(body)
    if sugar and isinstance(body, S.BlockRealize) and _root_may_go(p, body):
        p.line(f'# with {t(p, "block")}("root"):')
        _allocs(p, body.block.alloc_buffers)
        body = body.block.body
    _body(p, body)


def _has_blocks(s: S.Stmt) -> bool:
    found: list[bool] = []
    post_order_visit(s, lambda n: found.append(True) if isinstance(n, S.Block) else None)
    return bool(found)


def _lacks_root(body: S.Stmt) -> bool:
    """Whether there are blocks that no root holds: the parser would add one."""
    is_root = isinstance(body, S.BlockRealize) and not body.block.iter_vars
    return not is_root and _has_blocks(body)


def _root_may_go(p: Printer, root: S.BlockRealize) -> bool:
    implied = _is_root(root) and _root_is_implied(root.block)
    return implied and not shares_definitions(p, root.block)


def _root_is_implied(root: S.Block) -> bool:
    """Whether the parser adds this root by itself."""
    if root.alloc_buffers:
        return True
    alone = isinstance(root.body, S.BlockRealize) and not root.body.block.iter_vars
    return not alone and _has_blocks(root.body)


def _is_root(s: S.BlockRealize) -> bool:
    b = s.block
    extra = b.reads or b.writes or b.iter_vars or b.annotations or b.init or b.match_buffers
    always = isinstance(s.predicate, IntImm) and s.predicate.value == 1
    return b.name_hint == "root" and not extra and always


def _simple(p: Printer, f: PrimFunc) -> dict[E.Var, Buffer]:
    """The parameters of which `A: T.Buffer(...)` says all there is to say."""
    if not p.config.syntax_sugar:
        return {}
    used: set[int] = set()
    post_order_visit(f.body, lambda n: used.add(id(n)) if isinstance(n, E.Var) else None)
    return {
        v: b
        for v, b in f.buffer_map.items()
        if id(v) not in used and isinstance(v.type_annotation, PrimType) and _is_simple(f, b)
    }


def _is_simple(f: PrimFunc, b: Buffer) -> bool:
    plain = all(isinstance(d, IntImm) for d in (*b.shape, *b.strides, b.elem_offset))
    alone = [x for x in f.buffer_map.values() if x.data is b.data or x is b]
    return plain and len(alone) == 1 and _is_typed(b.data, b.dtype, b.scope())
