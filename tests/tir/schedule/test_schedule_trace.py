"""Traces: text, JSON and replay give the same program."""

import json

import pytest

from tests.tir.schedule.programs import conv2d, matmul
from tilewright.ir import assert_structural_equal
from tilewright.support.errors import ArgumentError
from tilewright.tir import IndexMap, Schedule
from tilewright.tir.schedule import InstructionKind, Trace
from tilewright.tir.schedule.testing import verify_trace_roundtrip


def scheduled() -> Schedule:
    """A convolution with most loop and block primitives applied."""
    sch = Schedule(conv2d())
    conv = sch.get_block("conv")
    sch.compute_inline(sch.get_block("added"))
    n, o, h, v, rc, ry, rx = sch.get_loops(conv)
    h0, h1 = sch.split(h, [None, 4])
    sch.reorder(n, h0, v, rc, ry, rx, h1, o)
    sch.compute_at(sch.get_block("pad"), h0)
    sch.reverse_compute_at(sch.get_block("relu"), h0, preserve_unit_loops=True)
    sch.parallel(sch.fuse(n, h0))
    sch.annotate(conv, "tile", {"rows": [1, 2]})
    sch.decompose_reduction(conv, v)
    sch.cache_write(sch.get_block("relu"), 0, "local")
    return sch


def test_replaying_a_trace_gives_the_same_program():
    sch = scheduled()
    other = Schedule(conv2d())
    sch.trace.apply_to_schedule(other, remove_postproc=False)
    assert_structural_equal(sch.mod, other.mod)
    assert str(other.trace) == str(sch.trace)


def test_json_goes_through_text():
    sch = scheduled()
    text = json.dumps(sch.trace.as_json())
    other = Schedule(conv2d())
    Trace.apply_json_to_schedule(text, other)
    assert_structural_equal(sch.mod, other.mod)


def test_the_python_text_runs():
    sch = scheduled()
    scope = {}
    exec(str(sch.trace), scope)
    other = Schedule(conv2d())
    scope["apply_trace"](other)
    assert_structural_equal(sch.mod, other.mod)


def test_the_python_text():
    sch = Schedule(matmul())
    i = sch.get_loops(sch.get_block("C"))[0]
    sch.split(i, [None, 4])
    assert sch.trace.as_python() == [
        'b0 = sch.get_block(name="C", func_name="main")',
        "l1, l2, l3 = sch.get_loops(block=b0)",
        "l4, l5 = sch.split(loop=l1, factors=[None, 4], preserve_unit_iters=True, "
        "disable_predication=False)",
    ]


def test_simplified_drops_looks_that_nobody_uses():
    sch = Schedule(matmul())
    sch.get_loops("C")
    sch.parallel(sch.get_loops("C")[0])
    sch.enter_postproc()
    sch.unroll(sch.get_loops("C")[1])
    short = sch.trace.simplified(remove_postproc=True)
    assert [i.kind.name for i in short.insts] == ["GetBlock", "GetLoops", "Parallel"]


def test_every_method_shows_what_it_does():
    for kind in InstructionKind.registry.values():
        method = getattr(Schedule, kind.method)
        assert method.__doc__, kind.method
        if not kind.is_pure and kind.name != "EnterPostproc":
            assert "->" in method.__doc__, kind.method


def test_unknown_instructions_are_refused():
    with pytest.raises(ArgumentError, match="no schedule instruction is called 'Nope'"):
        Trace.apply_json_to_schedule([[["Nope", [], [], []]], []], Schedule(matmul()))


def test_layouts_and_decisions_survive_text_and_json():
    func = conv2d(size=5)
    sch = Schedule(func, seed=3)
    conv = sch.get_block("conv")
    assert sch.can_decompose_padding(sch.get_block("pad"), sch.get_loops("pad")[0])
    assert not sch.can_decompose_padding(conv, sch.get_loops(conv)[0])
    sch.transform_layout("conv", ("write", 0), lambda n, o, h, v: [n, o // 2, h, v, o % 2])
    sch.transform_layout("conv", "W", lambda o, c, y, x: [o // 8, c, y, x, o % 8], pad_value=0.0)
    sch.reindex("relu", ("write", 0))
    sch.transform_block_layout("added", lambda n, o, h, v: [n, o, h * 5 + v])
    sch.annotate(conv, "tile", sch.sample_perfect_tile(sch.get_loops(conv)[1], 2))
    sch.annotate(conv, "note", {"a": [1, 2.5, True, "x"]})
    rc = sch.get_loops(conv)[4]
    sch.rfactor(sch.fuse(rc, sch.get_loops(conv)[5]), -1)
    sch.decompose_padding("pad", sch.get_loops("pad")[0])
    verify_trace_roundtrip(sch, func)
    once = json.loads(json.dumps(sch.trace.as_json()))
    other = Schedule(func)
    Trace.apply_json_to_schedule(once, other)
    assert_structural_equal(sch.mod, other.mod)


def test_the_json_layout_is_that_of_tuning_records():
    sch = Schedule(matmul(16, 16, 16))
    block = sch.get_block("C")
    i, _, _ = sch.get_loops(block)
    tile = sch.sample_perfect_tile(i, 2, max_innermost_factor=8, decision=[4, 4])
    sch.split(i, [tile[0], None, 2])
    sch.annotate(block, "text", "words")
    sch.annotate(block, "list", [1, "x", tile[1]])
    sch.cache_read(block, 0, "shared")
    sch.transform_layout(block, ("read", 1), lambda x, y: (y, x))
    sch.reorder_block_iter_var(block, [1, 0, 2])
    sch.fuse(*sch.get_loops(block)[:2])
    rows, decisions = sch.trace.as_json()
    names = [row[0] for row in rows]
    by_name = {row[0]: row[1:] for row in rows}
    assert names[:4] == ["GetBlock", "GetLoops", "SamplePerfectTile", "Split"]
    assert rows[0] == ["GetBlock", [], ["C", "main"], ["b0"]]
    assert rows[2] == ["SamplePerfectTile", ["l1"], [2, 8], ["v4", "v5"]]
    assert rows[3] == ["Split", ["l1", "v4", "None", 2], [True, False], ["l6", "l7", "l8"]]
    assert rows[4] == ["Annotate", ["b0", '"words"'], ["text"], []]
    assert rows[5] == ["Annotate", ["b0", [1, '"x"', "v5"]], ["list"], []]
    assert by_name["CacheRead"] == [["b0", []], [0, "shared"], ["b9"]]
    assert by_name["TransformLayout"][0][0] == "b0"
    assert by_name["TransformLayout"][1] == [1, 0, None, 0]
    assert by_name["ReorderBlockIterVar"] == [["b0", [1, 0, 2]], [], []]
    assert by_name["Fuse"][1] == [1]
    assert decisions == [[2, [4, 4]]]


def test_kinds_of_instructions_have_the_names_of_tuning_records():
    for name, method in (
        ("RFactor", "rfactor"),
        ("ReIndex", "reindex"),
        ("UnsafeSetDType", "unsafe_set_dtype"),
        ("ComputeAt", "compute_at"),
    ):
        assert InstructionKind.get(name).method == method


def test_json_with_unknown_variables_is_refused():
    rows = [["Parallel", ["l7"], [], []]]
    with pytest.raises(ArgumentError, match="uses 'l7' as an input"):
        Trace.apply_json_to_schedule([rows, []], Schedule(matmul()))


def test_an_instruction_by_itself_has_no_names():
    sch = Schedule(matmul())
    sch.split(sch.get_loops("C")[0], [None, 4])
    assert str(sch.trace.insts[2]) == (
        "_, _ = sch.split(loop=_, factors=[None, 4], preserve_unit_iters=True, "
        "disable_predication=False)"
    )


def test_axis_separators_are_an_instruction_of_their_own():
    sch = Schedule(matmul())
    sch.transform_layout("C", ("write", 0), lambda i, j: [i, IndexMap.AXIS_SEPARATOR, j])
    assert [inst.kind.name for inst in sch.trace.insts][-2:] == [
        "TransformLayout",
        "SetAxisSeparator",
    ]
    assert list(sch.trace.insts[-1].attrs) == [0, 1, (1,)]
