"""The program being scheduled, and the handles into it.

The IR is never changed in place: replacing a block or loop builds anew the path from it to the
root, and the handles on that path follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, NamedTuple

from ...ir.expr import GlobalVar, IntImm
from ...ir.module import IRModule
from ...support.errors import ArgumentError, InternalError, ScheduleError, listing
from ..function import PrimFunc
from ..stmt import Block, BlockRealize, For, SeqStmt, Stmt, stmt_seq
from .refusal import Refusal
from .scope import BlockScope, scope_of
from .sref import BODIES, StmtSRef, blocks_and_loops, realizes_under, substatements


class ScheduleDebugMask(IntEnum):
    """What a schedule checks of its own books after each primitive."""

    VERIFY_SREF_TREE = 1
    VERIFY_CACHED_FLAGS = 2


class CachedFlags(NamedTuple):
    """What is known of a block.

    `affine_binding`: its axes are bound to independent mixed-radix numbers of its loops.
    `region_cover`: all that it reads of its producers' results has been written before.
    `stage_pipeline`: that holds for all blocks directly in it.
    """

    affine_binding: bool
    region_cover: bool
    stage_pipeline: bool


class PlaceError(ScheduleError, ArgumentError):
    """A block or loop stands where a primitive cannot work, such as at the root."""


def debug_bits(mask: int | str) -> int:
    """The checks that a `debug_mask` asks for: "all", "none", or bits of `ScheduleDebugMask`."""
    named = {"all": -1, "none": 0}
    bits = named.get(mask) if isinstance(mask, str) else mask
    if not isinstance(bits, int) or not -1 <= bits <= sum(ScheduleDebugMask):
        raise ArgumentError(
            f'debug_mask must be "all", "none" or bits of ScheduleDebugMask, found {mask!r}'
        )
    return sum(ScheduleDebugMask) if bits == -1 else bits


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a primitive may change, kept to undo one that fails."""

    mod: IRModule
    rows: list[tuple[StmtSRef, Any, Any, Any]]
    roots: dict[str, StmtSRef]


class ScheduleState:
    """A module of loop programs with a handle for each of its blocks and loops.

    `debug_mask`: what `debug_verify` checks. With `enable_check=False`, primitives take bindings to
    be affine and producers to cover what consumers read.
    """

    flags: ClassVar[Callable[[ScheduleState, StmtSRef], CachedFlags]]
    """How the flags of a block are found; see `flags.py`."""

    def __init__(
        self,
        mod: IRModule | PrimFunc,
        *,
        debug_mask: int | str = "none",
        enable_check: bool = True,
    ) -> None:
        if isinstance(mod, PrimFunc):
            mod = IRModule({GlobalVar("main"): mod})
        if not isinstance(mod, IRModule):
            raise ArgumentError(
                f"a schedule needs an IRModule or a PrimFunc, found {type(mod).__name__}"
            )
        self.debug_mask = debug_bits(debug_mask)
        self.enable_check = enable_check
        self.srefs: dict[int, StmtSRef] = {}
        self.roots: dict[str, StmtSRef] = {}
        self._scopes: dict[StmtSRef, tuple[Stmt, BlockScope]] = {}
        self.facts: dict[Any, Any] = {}
        functions = {}
        for var, func in mod.functions.items():
            if isinstance(func, PrimFunc):
                func = _with_root_block(func)
                self.roots[var.name_hint] = self._register(func.body, None)
            functions[var] = func
        self.mod = mod.with_functions(functions)

    # ---- looking ----------------------------------------------------------------------------

    def get_sref(self, stmt: Block | For) -> StmtSRef | None:
        """The handle on a statement of the program; None if it is not in it."""
        return self.srefs.get(id(stmt))

    def function_of(self, sref: StmtSRef) -> tuple[GlobalVar, PrimFunc]:
        """The function that holds `sref`."""
        root = next(reversed([sref, *sref.ancestors()]))
        name = next(name for name, r in self.roots.items() if r is root)
        var = self.mod.get_global_var(name)
        return var, self.mod[var]

    def get_block_scope(self, block: StmtSRef) -> BlockScope:
        """The blocks directly in `block` and the dependencies between them."""
        known = self._scopes.get(block)
        if known is not None and known[0] is block.stmt:
            return known[1]
        children = [self.srefs[id(r.block)] for r in realizes_under(block.block.body)]
        made = scope_of(children)
        self._scopes[block] = (block.block, made)
        return made

    def _get_cached_flags(self, block_sref: StmtSRef) -> CachedFlags:
        """What is known of a block."""
        return ScheduleState.flags(self, block_sref)

    def scope_root(self, sref: StmtSRef) -> StmtSRef:
        """The nearest block around `sref`."""
        for at in sref.ancestors():
            if at.is_block:
                return at
        raise PlaceError(f"{sref!r} is the root block: no block lies around it")

    def loops_of(self, block: StmtSRef) -> list[StmtSRef]:
        """The loops around `block` within its scope, outermost first."""
        found = []
        for at in block.ancestors():
            if at.is_block:
                break
            found.append(at)
        return found[::-1]

    def child_blocks(self, sref: StmtSRef) -> list[StmtSRef]:
        """The blocks within `sref`, in order, without those nested in them."""
        body = sref.block.body if sref.is_block else sref.loop.body
        return [self.srefs[id(r.block)] for r in realizes_under(body)]

    def blocks(self, name: str, root: StmtSRef) -> list[StmtSRef]:
        """The blocks called `name` at or below `root`."""
        return [s for s in self.walk(root) if s.is_block and s.block.name_hint == name]

    def walk(self, root: StmtSRef) -> Iterator[StmtSRef]:
        """`root` and all blocks and loops below it, in order."""
        left = [root]
        while left:
            at = left.pop()
            yield at
            body = at.block.body if at.is_block else at.loop.body
            inside = [p.block if isinstance(p, BlockRealize) else p for p in blocks_and_loops(body)]
            left += [self.srefs[id(stmt)] for stmt in reversed(inside)]

    def common_ancestor(self, srefs: Iterable[StmtSRef]) -> StmtSRef:
        """The lowest block or loop that holds all of `srefs` strictly within it."""
        paths = [list(s.ancestors())[::-1] for s in srefs]
        common: StmtSRef | None = None
        for step in zip(*paths, strict=False):
            if any(at is not step[0] for at in step):
                break
            common = step[0]
        if common is None:
            raise InternalError("statements without a common ancestor")
        return common

    # ---- changing ---------------------------------------------------------------------------

    def _register(self, stmt: Stmt, parent: StmtSRef | None) -> StmtSRef:
        """Makes handles for everything at or below `stmt`, a loop or a realized block."""
        left: list[tuple[Stmt, StmtSRef | None]] = [(stmt, parent)]
        while left:
            at, above = left.pop()
            if isinstance(at, BlockRealize):
                sref = StmtSRef(at.block, above, at)
                body = at.block.body
            elif isinstance(at, For):
                sref = StmtSRef(at, above)
                body = at.body
            else:
                raise InternalError("only blocks and loops have handles")
            if id(sref.stmt) in self.srefs:
                raise ArgumentError("a block or loop occurs twice in the program")
            self.srefs[id(sref.stmt)] = sref
            inside = [(part, sref) for part in blocks_and_loops(body)]
            left += reversed(inside)
        return self.srefs[id(stmt.block if isinstance(stmt, BlockRealize) else stmt)]

    def replace(
        self,
        src_sref: StmtSRef,
        tgt_stmt: Stmt,
        block_sref_reuse: dict[Block, Block] | None = None,
    ) -> None:
        """Puts `tgt_stmt` in the place of a block or loop.

        Handles of loops follow their loop variable, those of blocks follow `block_sref_reuse`
        (old to new) or the very object; the other handles below `src_sref` become void. Raises
        `ArgumentError`, and changes nothing, if `tgt_stmt` does not fit there.
        """
        old_node, new_node = src_sref.node, tgt_stmt
        if not isinstance(tgt_stmt, Block if src_sref.parent is None else Stmt):
            raise PlaceError(f"{src_sref!r} cannot be replaced by a {type(tgt_stmt).__name__}")
        if isinstance(tgt_stmt, Block):
            if src_sref.realize is None:
                raise ArgumentError(
                    f"{src_sref!r} is replaced by the block `{tgt_stmt.name_hint}` alone",
                    hint="give the BlockRealize that holds it",
                )
            if block_sref_reuse is None:
                block_sref_reuse = {src_sref.block: tgt_stmt}
            new_node = src_sref.realize.replace(block=tgt_stmt)
        parent = src_sref.parent
        self._adopt(src_sref, new_node, block_sref_reuse or {})
        if parent is None:
            self._set_root(src_sref, new_node)
        else:
            self._rebuild_path(parent, old_node, new_node)

    def _adopt(self, src: StmtSRef, new: Stmt, reuse: dict[Block, Block]) -> None:
        """Moves the handles below `src` over to the statements of `new`."""
        old = list(self.walk(src))
        loops = {id(s.loop.loop_var): s for s in old if not s.is_block}
        blocks = {id(s.stmt): s for s in old if s.is_block}
        for before, after in reuse.items():
            known = blocks.get(id(before)) or self.srefs.get(id(before))
            if known is not None:  # blocks in an `init` have no handles
                blocks[id(after)] = known
        handles = dict(self.srefs)
        rows = [(s, s.stmt, s.parent, s.realize) for s in old]
        for s in old:
            self.srefs.pop(id(s.stmt), None)
            s.stmt = None
        try:
            self._claim(new, src.parent, loops, blocks)
        except ArgumentError:
            self.srefs = handles
            for s, stmt, parent, realize in rows:
                s.stmt, s.parent, s.realize = stmt, parent, realize
            raise

    def _claim(
        self,
        stmt: Stmt,
        parent: StmtSRef | None,
        loops: dict[int, StmtSRef],
        blocks: dict[int, StmtSRef],
    ) -> None:
        for part in blocks_and_loops(stmt):
            realize = part if isinstance(part, BlockRealize) else None
            inner = part.block if isinstance(part, BlockRealize) else part
            known = (
                blocks.get(id(inner)) if isinstance(inner, Block) else loops.get(id(inner.loop_var))
            )
            if known is None or known.stmt is not None:
                known = StmtSRef(None, parent)
            if id(inner) in self.srefs:
                raise ArgumentError("a block or loop occurs twice in the replaced program")
            known.stmt, known.parent, known.realize = inner, parent, realize
            self.srefs[id(inner)] = known
            self._claim(inner.body, known, loops, blocks)

    def _rebuild_path(self, at: StmtSRef | None, old: Stmt, new: Stmt) -> None:
        """Puts `new` for `old` in the statement of `at` and so on up to the function."""
        while at is not None:
            before = at.stmt
            if before is None:
                raise InternalError("a handle without statement on the path to the root")
            after = before.replace(body=swap(before.body, old, new))
            del self.srefs[id(before)]
            self.srefs[id(after)] = at
            at.stmt = after
            if isinstance(after, Block) and at.realize is not None:
                old, new = at.realize, at.realize.replace(block=after)
                at.realize = new
            else:
                old, new = before, after
            root, at = at, at.parent
        self._set_root(root, new)

    def _set_root(self, root: StmtSRef, new: Stmt) -> None:
        name = next(name for name, r in self.roots.items() if r is root)
        if isinstance(new, BlockRealize):
            self.roots[name] = self.srefs[id(new.block)]
        var = self.mod.get_global_var(name)
        functions = dict(self.mod.functions)
        functions[var] = functions[var].replace(body=new)
        self.mod = self.mod.with_functions(functions)

    def set_function(self, name: str, func: PrimFunc) -> None:
        """Changes parts of a function other than its body (such as `buffer_map`)."""
        var = self.mod.get_global_var(name)
        self.mod = self.mod.with_functions({**self.mod.functions, var: func})

    # ---- checking ---------------------------------------------------------------------------

    def debug_verify(self) -> None:
        """Raises `InternalError` if the handles or what is kept of blocks do not fit the program;
        `debug_mask` says what is looked at."""
        if self.debug_mask & ScheduleDebugMask.VERIFY_SREF_TREE:
            self._verify_handles()
        if self.debug_mask & ScheduleDebugMask.VERIFY_CACHED_FLAGS:
            self._verify_flags()

    def _verify_handles(self) -> None:
        """Every block and loop has the handle that is at its place, and nothing else has one."""
        met: set[int] = set()
        for name, root in self.roots.items():
            body = self.mod[self.mod.get_global_var(name)].body
            self._verify_below(body, None, met)
            if self.srefs.get(id(body.block)) is not root:
                raise InternalError(f"the root handle of `{name}` is not at its body")
        if met != set(self.srefs):
            raise InternalError("there are handles on statements that are not in the program")

    def _verify_below(self, stmt: Stmt, parent: StmtSRef | None, met: set[int]) -> None:
        for part in blocks_and_loops(stmt):
            inner = part.block if isinstance(part, BlockRealize) else part
            sref = self.srefs.get(id(inner))
            if sref is None or sref.stmt is not inner or sref.node is not part:
                raise InternalError("a block or loop has no handle")
            if sref.parent is not parent:
                raise InternalError(f"{sref!r} has another parent than in the program")
            met.add(id(inner))
            self._verify_below(inner.body, sref, met)

    def _verify_flags(self) -> None:
        """What is kept of each block is what a new look at the program gives."""
        again = ScheduleState(self.mod, enable_check=self.enable_check)
        for name, root in self.roots.items():
            pairs = zip(self.walk(root), again.walk(again.roots[name]), strict=True)
            for ours, theirs in pairs:
                if not ours.is_block:
                    continue
                if self._get_cached_flags(ours) != again._get_cached_flags(theirs):
                    raise InternalError(f"what is kept of {ours!r} is out of date")

    # ---- copying ----------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """What `restore` needs to bring this state back."""
        rows = [(s, s.stmt, s.parent, s.realize) for s in self.srefs.values()]
        return Snapshot(self.mod, rows, dict(self.roots))

    def restore(self, taken: Snapshot) -> None:
        """Brings back the state in which the snapshot was taken."""
        for s in self.srefs.values():
            s.stmt = None
        self.srefs = {}
        for s, stmt, parent, realize in taken.rows:
            s.stmt, s.parent, s.realize = stmt, parent, realize
            self.srefs[id(stmt)] = s
        self.mod, self.roots = taken.mod, dict(taken.roots)

    def would_apply(self, primitive: Callable[..., Any], *args: Any) -> bool:
        """True if the primitive succeeds on `args`. The program stays as it is."""
        taken = self.snapshot()
        try:
            primitive(self, *args)
        except Refusal:
            return False
        finally:
            self.restore(taken)
        return True

    def copy(self) -> tuple[ScheduleState, dict[StmtSRef, StmtSRef]]:
        """A state with handles of its own on the same program, and where each handle went."""
        made = object.__new__(ScheduleState)
        made.debug_mask, made.enable_check, made.mod = self.debug_mask, self.enable_check, self.mod
        made._scopes, made.facts = {}, {}
        twin = {s: StmtSRef(s.stmt, None, s.realize) for s in self.srefs.values()}
        for s, t in twin.items():
            t.parent = twin[s.parent] if s.parent is not None else None
        made.srefs = {id(t.stmt): t for t in twin.values()}
        made.roots = {name: twin[s] for name, s in self.roots.items()}
        return made, twin


def swap(stmt: Stmt, old: Stmt, new: Stmt) -> Stmt:
    """`stmt` with the statement `old`, not below a loop or block, replaced by `new`."""
    if stmt is old:
        return new
    if isinstance(stmt, (For, BlockRealize)):
        return stmt
    if isinstance(stmt, SeqStmt):
        parts = [swap(part, old, new) for part in stmt.seq]
        if all(a is b for a, b in zip(parts, stmt.seq, strict=True)):
            return stmt
        return stmt_seq(parts)
    changes = {}
    for name in BODIES.get(type(stmt), ()):
        part = getattr(stmt, name)
        if part is not None:
            changes[name] = swap(part, old, new)
    return stmt.replace(**changes) if changes else stmt


def _with_root_block(func: PrimFunc) -> PrimFunc:
    """`func` with its body in a root block, unless it is one already."""
    body = func.body
    if isinstance(body, BlockRealize) and not body.iter_values:
        return func
    names = {realize.block.name_hint for realize in realizes_under(body)}
    name = "root"
    while name in names:
        name += "_"
    root = Block((), (), (), name, body)
    return func.with_body(BlockRealize((), IntImm("bool", 1), root))


def require_function(mod: IRModule, name: str | None, working: GlobalVar | None) -> str:
    """The name of the function meant by `name` (None: the one worked on, or the only one)."""
    names = [v.name_hint for v, f in mod.functions.items() if isinstance(f, PrimFunc)]
    if name is None and working is not None:
        name = working.name_hint
    if name is None:
        name = names[0] if len(names) == 1 else "main"
    if name not in names:
        raise ArgumentError(
            f"the module has no loop program {name!r}", note=f"it has {listing(names)}"
        )
    return name


__all__ = [
    "CachedFlags", "ScheduleDebugMask", "ScheduleState", "Snapshot", "require_function",
    "substatements", "swap",
]  # fmt: skip
