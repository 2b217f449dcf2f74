"""The promises that every function keeps, one row a promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...ir.functor import Visitor, on, post_order_visit
from ...ir.instrument import VERIFIERS
from ...ir.module import IRModule
from ...ir.node import nodes_in
from ...support.errors import IllFormedError
from ..arith.canonical import INDEX_TYPES
from ..buffer import Buffer
from ..expr import BufferLoad, IterVar, Let, Var
from ..function import PrimFunc
from ..stmt import (
    Allocate,
    AllocateConst,
    AttrStmt,
    Block,
    BlockRealize,
    BufferRealize,
    BufferStore,
    DeclBuffer,
    For,
    ForKind,
    IfThenElse,
    LetStmt,
    While,
)  # fmt: skip
from .arguments import looks_at
from .undefined_vars import undefined_vars

Problems = Iterator[str]


class _Function:
    """A function with its nodes by type, found in one walk."""

    def __init__(self, func: PrimFunc) -> None:
        self.func = func
        self.nodes: dict[type[Any], list[Any]] = {}
        post_order_visit(func, lambda n: self.nodes.setdefault(type(n), []).append(n))

    def all(self, *kinds: type[Any]) -> list[Any]:
        """The nodes of these types; those of one type in order."""
        return [node for kind in kinds for node in self.nodes.get(kind, ())]


def _defined_before_use(function: _Function) -> Problems:
    for var in undefined_vars(function.func):
        yield f"variable `{var.name}` is used and not defined"


def _defined_once(function: _Function) -> Problems:
    for var in _redefined(function.func):
        yield f"variable `{var.name}` is defined more than once"


def _buffers_declared(function: _Function) -> Problems:
    finder = _Declared(function.func)
    finder.walk(function.func.body)
    for buffer in finder.missing:
        yield f"buffer `{buffer.name}` is used outside the scope that declares it"


def _block_values_match(function: _Function) -> Problems:
    for realize in function.all(BlockRealize):
        for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True):
            if axis.var.dtype != value.dtype:
                yield (
                    f"axis `{axis.var.name}` of block `{realize.block.name_hint}` is of "
                    f"{axis.var.dtype}, its value of {value.dtype}"
                )


def _blocks_see_axes_only(function: _Function) -> Problems:
    loops: set[Var] = {loop.loop_var for loop in function.all(For)}
    for block in function.all(Block):
        if not block.iter_vars:
            continue
        axes = [axis.var for axis in block.iter_vars]
        parts = (block.reads, block.writes, block.init, block.body)
        for var in dict.fromkeys(v for part in parts for v in _free(part, axes)):
            if var in loops:
                yield f"block `{block.name_hint}` uses the loop variable `{var.name}` of outside"


def _free(part: Any, axes: list[Var]) -> tuple[Var, ...]:
    return tuple(v for node in nodes_in(part) for v in undefined_vars(node, axes))


def _loops_have_index_variables(function: _Function) -> Problems:
    for loop in function.all(For):
        if loop.loop_var.dtype not in (*INDEX_TYPES, "int8", "int16", "uint32", "uint64"):
            yield f"loop variable `{loop.loop_var.name}` is of {loop.loop_var.dtype}"
        if (loop.kind == ForKind.THREAD_BINDING) != (loop.thread_binding is not None):
            yield f"loop `{loop.loop_var.name}` names a thread if and only if it is bound to one"


def _indices_match_rank(function: _Function) -> Problems:
    for access in function.all(BufferLoad, BufferStore):
        if len(access.indices) != access.buffer.ndim:
            yield (
                f"buffer `{access.buffer.name}` has {access.buffer.ndim} dimensions, indexed "
                f"with {len(access.indices)}"
            )


def _conditions_are_boolean(function: _Function) -> Problems:
    for node in function.all(IfThenElse, While):
        if node.condition.dtype != "bool":
            yield f"a condition is of {node.condition.dtype}: {node.condition}"


def _definitions(function: _Function) -> set[Var]:
    """The variables that a function defines."""
    made = {getattr(node, name) for kind, name in _DEFINES.items() for node in function.all(kind)}
    made |= {axis.var for block in function.all(Block) for axis in block.iter_vars}
    made |= {b.data for block in function.all(Block) for b in block.alloc_buffers}
    threads = [n.node for n in function.all(AttrStmt) if n.attr_key == "thread_extent"]
    return made | {t.var for t in threads if isinstance(t, IterVar)} | set(function.func.params)


def _defined_in_one_function(functions: list[_Function]) -> Problems:
    """What a module promises of its functions: none defines a variable of another."""
    seen: set[Var] = set()
    for function in functions:
        made = _definitions(function)
        for var in sorted(made & seen, key=lambda v: v.name):
            yield f"variable `{var.name}` has multiple definitions, in several functions"
        seen |= made


PROMISES: tuple[tuple[str, Callable[[_Function], Problems]], ...] = (
    ("a variable is defined before it is used", _defined_before_use),
    ("a variable is defined once", _defined_once),
    ("a buffer is used within the scope that declares it", _buffers_declared),
    ("the axes of a block have values of their types", _block_values_match),
    ("a block uses no loop variable of outside", _blocks_see_axes_only),
    ("loop variables are integers; thread bindings are complete", _loops_have_index_variables),
    ("an access has one index a dimension", _indices_match_rank),
    ("a condition is one boolean", _conditions_are_boolean),
)
"""What `verify_well_formed` checks.

Not that only reductions have an `init`: that of a block of data-parallel axes runs each time.
TVM (0.27) takes such blocks too: its well-formedness check, its schedules (`decompose_reduction`
included) and `LowerInitBlock`. Its `rfactor` leaves none where no reduction axis is left.
"""


class _Declared(Visitor):
    """Buffers in scope at each use. Flat views of declared memory need no declaration."""

    def __init__(self, func: PrimFunc) -> None:
        self.memory: set[Var] = {b.data for b in func.buffers()}
        self.memory |= {p for p in func.params if p.dtype == "handle"}
        self.missing: dict[Buffer, None] = {}

    @on(Block)
    def block(self, block: Block) -> None:
        """Allocations and views hold within the block."""
        before = set(self.memory)
        self.memory |= {b.data for b in block.alloc_buffers}
        for match in block.match_buffers:
            self.visit(match.source)
            self.memory.add(match.buffer.data)
        self.visit((block.reads, block.writes, block.init, block.body))
        self.memory = before

    @on(Allocate, AllocateConst)
    def allocate(self, node: Any) -> None:
        """Memory holds within the body."""
        before = set(self.memory)
        self.memory.add(node.buffer_var)
        self.visit(node.body)
        self.memory = before

    @on(LetStmt, Let)
    def let(self, node: Any) -> None:
        """An address may be named."""
        self.visit(node.value)
        if node.var.dtype == "handle":
            self.memory.add(node.var)
        self.visit(node.body)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """The attribute of a realize stands around it: the buffer is declared there. A buffer that
        is bound to a part of another holds within the body."""
        if node.attr_key == "buffer_bind_scope":
            view, source = node.node
            self.visit((source, node.value))
            before = set(self.memory)
            self.memory.add(view.data)
            self.visit(node.body)
            self.memory = before
            return
        if node.attr_key != "realize_scope" or not isinstance(node.body, BufferRealize):
            self.visit(node.node)
        self.visit((node.value, node.body))

    @on(BufferRealize)
    def realize(self, node: BufferRealize) -> None:
        """Memory that is not laid out yet holds within the body."""
        before = set(self.memory)
        self.memory.add(node.buffer.data)
        self.visit((node.bounds, node.condition, node.body))
        self.memory = before

    @on(DeclBuffer)
    def declare(self, node: DeclBuffer) -> None:
        """A declaration of memory that exists."""
        self.visit(node.body)

    @on(Buffer)
    def use(self, buffer: Buffer) -> None:
        """A use."""
        if buffer.data not in self.memory:
            self.missing[buffer] = None


_DEFINES: dict[type[Any], str] = {
    For: "loop_var", LetStmt: "var", Let: "var", Allocate: "buffer_var",
    AllocateConst: "buffer_var",
}  # fmt: skip


def _redefined(func: PrimFunc) -> list[Var]:
    seen: set[Var] = set(func.params)
    twice: list[Var] = []

    def look(node: Any) -> None:
        name = _DEFINES.get(type(node))
        if name is None:
            return
        var = getattr(node, name)
        if var in seen:
            twice.append(var)
        seen.add(var)

    post_order_visit(func.body, look)
    return twice


class _Definitions(Visitor):
    """Definitions as often as they are met, those of a part that stands in two places twice."""

    def __init__(self, func: PrimFunc) -> None:
        self.seen: set[Var] = set(func.params)
        self.is_once = len(self.seen) == len(func.params)

    @on(*_DEFINES)
    def define(self, node: Any) -> None:
        """A definition; `Let` may define one variable as the same value twice."""
        var = getattr(node, _DEFINES[type(node)])
        self.is_once = self.is_once and (var not in self.seen or isinstance(node, Let))
        self.seen.add(var)
        self.visit_children(node)


@looks_at(PrimFunc)
def verify_ssa(func: PrimFunc) -> bool:
    """True if every variable of `func` is defined once."""
    finder = _Definitions(func)
    finder.walk(func.body)
    return finder.is_once and not _redefined(func)


@looks_at(PrimFunc, IRModule)
def verify_well_formed(obj: PrimFunc | IRModule, assert_mode: bool = True) -> bool:
    """True if all promises are kept. With `assert_mode`, a broken one raises `IllFormedError`
    that lists everything wrong."""
    return _keeps(obj, [check for _, check in PROMISES], assert_mode)


def verify_names(obj: PrimFunc | IRModule) -> None:
    """Raises `IllFormedError` unless variables are defined once, before they are used, in one
    function, and blocks use no loop variable of outside: what TVM asks of a script."""
    _keeps(obj, (_defined_before_use, _defined_once, _blocks_see_axes_only), assert_mode=True)


def _keeps(
    obj: PrimFunc | IRModule, checks: Sequence[Callable[[_Function], Problems]], assert_mode: bool
) -> bool:
    funcs = (
        [obj] if isinstance(obj, PrimFunc)
        else [f for f in obj.functions.values() if isinstance(f, PrimFunc)]
    )  # fmt: skip
    known = [_Function(func) for func in funcs]
    problems = [text for function in known for check in checks for text in check(function)]
    problems += _defined_in_one_function(known)
    if problems and assert_mode:
        raise IllFormedError("the program is not well formed: " + "; ".join(problems))
    return not problems


@looks_at(PrimFunc)
def verify_memory(func: PrimFunc) -> bool:
    """True if code of the host touches no memory of a device: no array is accessed outside
    thread bindings when the target is a GPU."""
    return not host_accesses(func)


def host_accesses(func: PrimFunc) -> tuple[Buffer, ...]:
    """The arrays of a device that `func` accesses outside of threads; none for other targets."""
    target = func.attrs.get("target")
    kind = str(getattr(getattr(target, "kind", None), "name", getattr(target, "kind", "")))
    if kind not in ("cuda", "opencl", "vulkan", "metal", "rocm", "webgpu"):
        return ()
    finder = _OutsideThreads()
    finder.walk(func.body)
    return tuple(finder.found)


class _OutsideThreads(Visitor):
    def __init__(self) -> None:
        self.found: dict[Buffer, None] = {}

    @on(For)
    def loop(self, loop: For) -> None:
        """Within a bound loop everything is the device's."""
        if loop.kind != ForKind.THREAD_BINDING:
            self.visit(loop.body)

    @on(AttrStmt)
    def attribute(self, node: AttrStmt) -> None:
        """So it is within the extent of a thread."""
        if node.attr_key not in ("thread_extent", "device_scope"):
            self.visit(node.body)

    @on(BufferLoad, BufferStore)
    def access(self, access: Any) -> None:
        """An access on the host."""
        self.found[access.buffer] = None
        self.visit_children(access)


VERIFIERS.append(verify_well_formed)
