"""Random steps: a primitive with arguments drawn by what its declaration says they are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from tilewright.support.errors import ScheduleError
from tilewright.tir import Buffer, IntImm, IterVarType
from tilewright.tir.schedule import BlockRV, LoopRV, Schedule
from tilewright.tir.schedule.analysis import get_tensorize_loop_mapping
from tilewright.tir.schedule.instruction import METHODS, InstructionKind, Param, instruction_of
from tilewright.tir.schedule.poly import variables_in
from tilewright.tir.schedule.transform import tile_with_tensor_intrin
from tilewright.tir.tensor_intrin import TensorIntrin

from . import intrinsics

Maker = Callable[["Draw"], Any]

SCOPES = ("global", "local", "shared")
THREADS = ("blockIdx.x", "threadIdx.x", "vthread.x")
MAPS: tuple[Callable[..., list[Any]], ...] = (
    lambda *i: [*i[1:], *i[:1]],
    lambda *i: [*i[:-1], *(part for k in i[-1:] for part in (k // 2, k % 2))],
    lambda *i: [*(k // 3 for k in i[:1]), *i[1:], *(k % 3 for k in i[:1])],
    lambda *i: [*i[:-1], *(part for k in i[-1:] for part in (k // 4, k % 4))],
)
"""Layouts: turned, and cut at one end or the other."""


class Unsuitable(Exception):
    """The program has nothing to draw the argument from."""


class Broken(Exception):
    """A promise of schedules that is broken."""


class Draw:
    """Draws steps for a schedule and takes them; `last` is the one taken last. Counts by primitive
    how many were tried and applied."""

    def __init__(self, sch: Schedule, rng: random.Random) -> None:
        self.sch, self.rng = sch, rng
        self.given: dict[str, Any] = {}
        self.last: tuple[InstructionKind, dict[str, Any]] | None = None
        self.tried: Counter[str] = Counter()
        self.applied: Counter[str] = Counter()

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        """Calls a method of the schedule, and keeps what was asked in `last`."""
        kind = METHODS[method]
        bound = kind.signature.bind(self.sch, *args, **options)
        bound.apply_defaults()
        self.last = (kind, dict(bound.arguments))
        before = self.sch.mod
        self.tried[method] += 1
        try:
            made = getattr(self.sch, method)(*args, **options)
        except ScheduleError:
            if self.sch.mod is not before:
                raise Broken("a step that was refused changed the program") from None
            raise
        self.applied[method] += 1
        return made

    def attempted(self) -> Any:
        """The step taken last as an instruction of a trace; None if its arguments are wrong."""
        if self.last is None:
            return None
        kind, given = self.last
        values: dict[str, Any] = {}
        try:
            for param in kind.params:
                values[param.name] = param.accept(self.sch, given[param.name], values)
        except Exception:
            return None
        return instruction_of(kind, values, [])

    # ---- what is in the program -------------------------------------------------------------

    def pick(self, items: Any) -> Any:
        """One of `items`."""
        items = list(items)
        if not items:
            raise Unsuitable
        return self.rng.choice(items)

    def flip(self, chance: float = 0.5) -> bool:
        """True with that chance."""
        return self.rng.random() < chance

    def block(self) -> BlockRV:
        """A block of the program, now and then one within another."""
        found: BlockRV = self.pick(self.sch.get_child_blocks("root"))
        while self.flip(0.3):
            inner = self.sch.get_child_blocks(found)
            if not inner:
                break
            found = self.pick(inner)
        return found

    def loops(self) -> list[LoopRV]:
        """The loops of the block drawn before, mostly; else of any block."""
        known = self.given.get("block")
        block = known if known is not None and self.flip(0.8) else self.block()
        found: list[LoopRV] = self.sch.get_loops(block)
        return found

    def neighbours(self) -> list[BlockRV]:
        """Some blocks of the root block, one after another."""
        found = self.sch.get_child_blocks("root")
        at = self.rng.randrange(len(found))
        some: list[BlockRV] = found[at : at + self.rng.randint(1, 2)]
        return some

    def stmt(self) -> Any:
        """The block drawn before, as it is now."""
        return self.sch.get(self.given["block"])

    def index_of(self, side: str) -> int:
        """The place of a buffer that the block reads or writes."""
        return int(self.pick(range(len(getattr(self.stmt(), side)))))

    def own_buffer(self) -> tuple[str, int]:
        """A buffer of the block that the function allocates."""
        outside = list(self.sch.func.buffer_map.values())
        found: tuple[str, int] = self.pick(self.accesses(lambda buffer: buffer not in outside))
        return found

    def accesses(self, wanted: Callable[[Buffer], bool]) -> list[tuple[str, int]]:
        """The places of the wanted buffers among those that the block reads and writes."""
        return [(side, k) for side in ("read", "write")
                for k, r in enumerate(getattr(self.stmt(), f"{side}s"))
                if wanted(r.buffer)]  # fmt: skip

    def sampled(self, loop: LoopRV, n: int) -> Any:
        """Factors of a loop, sampled by the schedule."""
        if self.flip():
            return self.call("sample_perfect_tile", loop, n, 4)
        return self.call("sample_partitioned_tile", loop, n, self.rng.randrange(n), 2)


def _factors(d: Draw) -> Any:
    n = d.rng.randint(2, 3)
    if d.flip(0.3):
        return d.sampled(d.given["loop"], n)
    made: list[int | None] = [d.rng.choice((1, 2, 2, 3, 4, 8)) for _ in range(n)]
    made[d.rng.randrange(n)] = None
    return made


def _adjacent(d: Draw) -> list[LoopRV]:
    loops = d.loops()
    if len(loops) < 2:
        raise Unsuitable
    at, n = d.rng.randrange(len(loops) - 1), d.rng.randint(2, 3)
    return loops[at : at + n]


def _some_loops(d: Draw) -> list[LoopRV]:
    loops = d.loops()
    if len(loops) < 2:
        raise Unsuitable
    return d.rng.sample(loops, min(len(loops), d.rng.randint(2, 3)))


def _of_two_blocks(d: Draw) -> list[LoopRV]:
    blocks = d.sch.get_child_blocks("root")
    if len(blocks) < 2:
        raise Unsuitable
    depth = d.rng.randrange(2)
    chosen = [d.sch.get_loops(block) for block in d.rng.sample(blocks, 2)]
    return [d.pick(loops[depth : depth + 1]) for loops in chosen]


def _loop_of_consumer(d: Draw) -> LoopRV:
    near = d.sch.get_consumers(d.given["block"])
    loops = d.sch.get_loops(d.pick(near)) if near and d.flip(0.9) else d.loops()
    found: LoopRV = d.pick(loops)
    return found


def _loop_of_producer(d: Draw) -> LoopRV:
    near = d.sch.get_producers(d.given["block"])
    loops = d.sch.get_loops(d.pick(near)) if near and d.flip(0.9) else d.loops()
    found: LoopRV = d.pick(loops)
    return found


def _reduction_loop(d: Draw) -> LoopRV:
    """A loop of a reduction axis, if there is one."""
    d.given["block"] = block = d.block()
    realize = d.sch.get_sref(block).realize
    loops = d.sch.get_loops(block)
    if realize is None:
        raise Unsuitable
    reducing = [v for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True)
                if axis.iter_type is IterVarType.CommReduce
                for v in variables_in(value)]  # fmt: skip
    found = [l for l in loops if d.sch.get(l).loop_var in reducing]
    del d.given["block"]
    chosen: LoopRV = d.pick(found or loops)
    return chosen


def _known_key(d: Draw) -> Any:
    at = d.given["block_or_loop"]
    return d.pick(list(d.sch.get(at).annotations) or ["note"])


def _consumers(d: Draw) -> Any:
    return [d.block()] if d.flip(0.2) else None


def _full_ranges(d: Draw) -> Any:
    side, place = d.given["buf_type"], d.given["buffer_index"]
    shape = getattr(d.stmt(), f"{side}s")[place].buffer.shape
    if not all(isinstance(size, IntImm) for size in shape):
        raise Unsuitable  # a trace's text does not know the program's own names
    return lambda *i: [(0, size) for size in shape]


WIDER = {"float16": "float32", "float32": "float64", "int8": "int32", "int32": "int64"}


def _wider(d: Draw) -> str:
    dtype: str = d.stmt().writes[d.given["buffer_index"]].buffer.dtype
    return WIDER.get(dtype, dtype)


def _layout_pad(d: Draw) -> Any:
    """Zero, as the buffer's type has it."""
    side, place = d.given["buffer"]
    dtype = getattr(d.stmt(), f"{side}s")[place].buffer.dtype
    return d.pick((None, None, 0.0 if "float" in dtype else 0))


ARGUMENTS: dict[str, Maker] = {
    "split.factors": _factors,
    "split.disable_predication": lambda d: False,
    "loop_partition.factors": lambda d: [d.rng.randint(1, 2), None],
    "fuse.loops": _adjacent,
    "reorder.ordered_loops": _some_loops,
    "merge.loops": _of_two_blocks,
    "bind.thread_axis": lambda d: d.pick(THREADS),
    "consumer_blocks": _consumers,
    "cache_index.cse_thresh": lambda d: d.rng.randrange(3),
    "transform_layout.buffer": lambda d: d.own_buffer(),
    "set_axis_separator.buffer": lambda d: d.own_buffer(),
    "reindex.buffer": lambda d: d.pick([("read", 0), ("write", 0), ("read", d.index_of("reads"))]),
    "read_buffer_index": lambda d: d.index_of("reads"),
    "write_buffer_index": lambda d: d.index_of("writes"),
    "buffer_index": lambda d: d.index_of("writes"),
    "storage_scope": lambda d: d.pick(SCOPES),
    "index": lambda d: d.pick((-1, -1, -2, 0, 1)),
    "compute_at.loop": _loop_of_consumer,
    "reverse_compute_at.loop": _loop_of_producer,
    "rfactor.loop": _reduction_loop,
    "unannotate.ann_key": _known_key,
    "factor_axis": lambda d: d.rng.randint(-1, 2),
    "storage_align.axis": lambda d: d.rng.randint(-1, 1),
    "storage_align.factor": lambda d: d.pick((4, 16)),
    "storage_align.offset": lambda d: d.pick((0, 1)),
    "unsafe_set_dtype.dtype": _wider,
    "tensor_intrin": lambda d: d.pick(intrinsics.NAMES),
    "ann_key": lambda d: d.pick(("note", "other")),
    "ann_val": lambda d: d.pick((1, 2.5, "text", [1, 2], {"a": 1})),
    "index_map": lambda d: d.pick(MAPS),
    "pad_value": _layout_pad,
    "assume_injective_transform": lambda d: False,
    "axis_separators": lambda d: d.pick(([], [1])),
    "padding": lambda d: [d.pick((1, 1, 2, 4)) for _ in d.stmt().iter_vars],
    "new_order": lambda d: d.rng.sample(range(n := len(d.stmt().iter_vars)), n),
    "blockize.target": lambda d: d.pick(d.loops()) if d.flip(0.7) else d.neighbours(),
    "annotate_buffer_access.buffer_index": lambda d: d.index_of(f"{d.given['buf_type']}s"),
    "buf_type": lambda d: d.pick(("read", "write")),
    "gen_new_ranges": _full_ranges,
}
"""What an argument may be, by its name, or by the primitive's name and its own."""

PROMISES = ("unsafe_hide_buffer_access",)
"""What the user vouches for, and random steps cannot: no step may come after it."""

PRIMITIVES = tuple(
    kind for kind in METHODS.values() if not kind.is_pure and kind.method not in PROMISES
)


def _argument(d: Draw, kind: InstructionKind, param: Param) -> Any:
    maker = ARGUMENTS.get(f"{kind.method}.{param.name}") or ARGUMENTS.get(param.name)
    if maker is not None:
        return maker(d)
    if param.role.noun == "True or False":
        return d.flip()
    if param.is_list and param.role.rv == "block":
        return [d.block() for _ in range(2)]
    if param.role.rv == "block":
        return d.block()
    if param.role.rv == "loop":
        return d.pick(d.loops())
    if param.role.rv == "any":
        return d.block() if d.flip(0.3) else d.pick(d.loops())
    raise TypeError(f"no way to draw the argument `{param.name}` of {kind.method}")


def primitive_step(d: Draw, kind: InstructionKind) -> None:
    """Takes one step of a kind."""
    d.given = {}
    order = sorted(kind.params, key=lambda p: _RANK.get(p.name, 1))
    for param in order:
        d.given[param.name] = _argument(d, kind, param)
    variadic = next((p.name for p in kind.params if p.is_variadic), None)
    rest = d.given.pop(variadic) if variadic is not None else ()
    d.call(kind.method, *rest, **d.given)


_RANK = {"block": 0, "block_or_loop": 0, "buf_type": 0}


def move_to_sampled(d: Draw) -> None:
    """`compute_at` where the schedule samples."""
    block = d.block()
    d.call("compute_at", block, d.call("sample_compute_location", block))


def annotate_sampled(d: Draw) -> None:
    """An annotation that is sampled."""
    value = d.call("sample_categorical", [1, 2, 4], [0.5, 0.25, 0.25])
    d.call("annotate", d.block(), "note", value)


def tensorize_tiled(d: Draw) -> None:
    """An instruction in a block that is tiled for it."""
    padded = d.flip()
    block, name = d.pick(
        (block, name)
        for block in d.sch.get_child_blocks("root")
        for name in intrinsics.NAMES
        if (intrin := TensorIntrin.get(name)) is not None
        and get_tensorize_loop_mapping(d.sch, block, intrin.desc, padded) is not None
    )
    loop = tile_with_tensor_intrin(d.sch, block, name, padded)
    if loop is None:
        raise Unsuitable
    d.call("tensorize", loop, name)


def roll(d: Draw) -> None:
    """A rolling buffer between a producer and a consumer that is tiled for it."""
    blocks = d.sch.get_child_blocks("root")
    block = d.pick(b for b in blocks if d.sch.get_consumers(b))
    consumer = d.pick(d.sch.get_consumers(block))
    loops = d.sch.get_loops(consumer)
    loop = d.pick(l for l in loops if isinstance(n := d.sch.get(l).extent, IntImm) and n.value > 4)
    outer, _ = d.call("split", loop, [None, d.rng.randint(1, 4)])
    d.call("compute_at", block, outer)
    d.call("rolling_buffer", block, 0)


def hide(d: Draw) -> None:
    """A block that says nothing of a parameter that it accesses, as the last of all steps."""
    d.given["block"] = block = d.block()
    parameters = list(d.sch.func.buffer_map.values())
    side, place = d.pick(d.accesses(lambda buffer: buffer in parameters))
    d.call("unsafe_hide_buffer_access", block, side, [place])


Step = tuple[str, Callable[[Draw], None]]


def _step(kind: InstructionKind) -> Step:
    return kind.method, lambda d: primitive_step(d, kind)


OFTEN = {"split": 4, "fuse": 2, "reorder": 3, "compute_at": 3, "reverse_compute_at": 3}
STEPS: tuple[Step, ...] = (
    *(_step(kind) for kind in PRIMITIVES for _ in range(OFTEN.get(kind.method, 1))),
    ("sample_compute_location", move_to_sampled),
    ("sample_categorical", annotate_sampled),
    ("tensorize", tensorize_tiled),
    ("tensorize", tensorize_tiled),
    ("rolling_buffer", roll),
)
"""Every primitive that changes the program, those that make room for others more often."""
