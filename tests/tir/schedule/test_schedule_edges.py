"""Blocks within blocks, parts of buffers under other names, axes that do not begin at zero."""

import pytest

from bench.schedules.edges import EDGES
from tests.tir.schedule.evaluate import assert_same_result
from tilewright.tir import Schedule, ScheduleError


def test_cache_index_counts_from_where_axes_begin():
    func = EDGES["lower_bounds"].make()
    sch = Schedule(func)
    first, *_ = sch.cache_index("inner", "global", 0)
    (buffer,) = [w.buffer for w in sch.get(first).writes]
    assert [int(d) for d in buffer.shape] == [8]
    text = sch.func.script()
    assert "index_var_0[vi] = vi\n" in text
    assert "B[index_var_0[vi - 1], vj]" in text
    assert_same_result(func, sch.func)


@pytest.mark.parametrize("primitive", ["read_at", "write_at"])
def test_tiles_are_copied_within_one_scope(primitive):
    sch = Schedule(EDGES["nested_buffer"].make())
    outer = sch.get_loops("outer")[0]
    block = "consume" if primitive == "read_at" else "produce"
    before = sch.mod
    with pytest.raises(ScheduleError, match="the loop is not around the block in its scope"):
        getattr(sch, primitive)(outer, block, 0, "local")
    assert sch.mod is before


@pytest.mark.parametrize(
    "change",
    [
        lambda sch: sch.transform_layout("copy", ("read", 0), lambda i, j: (j, i)),
        lambda sch: sch.set_axis_separator("copy", ("read", 0), [1]),
    ],
    ids=["transform_layout", "set_axis_separator"],
)
def test_a_part_of_a_buffer_keeps_its_layout(change):
    sch = Schedule(EDGES["matched"].make())
    before = sch.mod
    with pytest.raises(ScheduleError, match="`P` is a part of another buffer, declared by `match"):
        change(sch)
    assert sch.mod is before


@pytest.mark.parametrize("part", [0, 1])
def test_a_part_of_the_loops_does_not_become_all_of_them(part):
    sch = Schedule(EDGES["in_place_update"].make())
    sch.loop_partition(sch.get_loops("scale")[0], [1, None])
    before = sch.mod
    with pytest.raises(ScheduleError, match="may leave out some of the block's instances"):
        sch.transform_block_layout(f"scale_i{part}", lambda i, j: (i // 3, j, i % 3))
    assert sch.mod is before
