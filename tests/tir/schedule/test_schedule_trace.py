"""Traces: text, JSON and replay give the same program."""

import json

import pytest

from tests.tir.schedule.programs import conv2d, matmul
from tilewright import tir
from tilewright.ir import assert_structural_equal
from tilewright.support.errors import ArgumentError
from tilewright.tir import IndexMap, Schedule, ScheduleError
from tilewright.tir.schedule import InstructionKind, Trace
from tilewright.tir.schedule.testing import verify_trace_roundtrip
from tilewright.tir.schedule.tvm_json import load_tvm_json


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
    text = str(sch.trace)
    assert text.startswith("# from tilewright import tir\ndef apply_trace(")
    scope = {"tir": tir}
    exec(text, scope)
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


def test_tiles_that_do_not_divide_are_made_to():
    sch = Schedule(matmul(128, 4, 4))
    loop = sch.get_loops("C")[0]

    def perfect(*decision):
        made = sch.sample_perfect_tile(loop, len(decision), 64, decision=list(decision))
        return [sch.get(f) for f in made]

    def partitioned(*decision, place=1):
        made = sch.sample_partitioned_tile(loop, len(decision), place, 4, decision=list(decision))
        return [sch.get(f) for f in made]

    assert perfect(3, 3) == [1, 128]
    assert perfect(2, 3, 2) == [1, 64, 2]
    assert perfect(3, 1, 2) == [64, 1, 2]
    assert partitioned(3, 3) == [32, 4]
    assert partitioned(64, 2) == [32, 4]
    assert partitioned(1, 128) == [1, 128]
    assert partitioned(5, 3, 8, place=2) == [1, 16, 8]
    assert partitioned(5, 8, 3, place=2) == [32, 1, 4]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.sample_perfect_tile(s.get_loops("C")[0], 2, decision=[2]), "not 2 positive"),
        (lambda s: s.sample_perfect_tile(s.get_loops("C")[0], 2, decision=[2, 0]), "positive fact"),
        (lambda s: s.sample_perfect_tile(s.get_loops("C")[0], 2, decision=4), "a list of 2 integ"),
        (lambda s: s.sample_categorical([1], [1.0], decision="x"), "is an integer, found 'x'"),
        (lambda s: s.sample_categorical([1], [1.0], decision=1), "not the place of one of 1"),
        (lambda s: s.sample_categorical([1, 2], [-1.0, 2.0]), "not at least 0, one of them more"),
        (lambda s: s.sample_categorical([1, 2], [0.0, 0.0]), "not at least 0, one of them more"),
        (lambda s: s.sample_compute_location("C", decision=1.5), "is an integer, found 1.5"),
    ],
)
def test_decisions_that_are_none(call, message):
    with pytest.raises((ScheduleError, ArgumentError), match=message):
        call(Schedule(matmul()))


GET = ["GetBlock", [], ["C", "main"], ["b0"]]
LOOPS = ["GetLoops", ["b0"], [], ["l1", "l2", "l3"]]


@pytest.mark.parametrize(
    ("trace", "message"),
    [
        ("[[", "the trace is not JSON: "),
        ("7", r"a trace is \[instructions, decisions\], found 7"),
        ([[]], r"a trace is \[instructions, decisions\], found \[\[\]\]"),
        ([[GET], [7]], r"a decision is \[place .* less than 1, found 7"),
        ([[GET], [[1, 2]]], r"a decision is \[place .* less than 1, found \[1, 2\]"),
        ([[GET], [[0, 2]]], r"0 \(GetBlock\): it has a decision, but does not sample"),
        ([[GET, 5], []], r"1 \(\?\): expected \[kind, inputs, attrs, outputs\], found 5"),
        ([[GET, ["Fuse"]], []], r"instruction 1 \(Fuse\): expected \[kind, inputs"),
        ([[["GetBlock", [], ["C"], []]], []], r"\(GetBlock\): expected 2 attributes, found 1"),
        ([[GET, ["GetLoops", [], [], []]], []], r"1 \(GetLoops\): expected 1 inputs, found 0"),
        ([[GET, ["Split", [], [1, 0], []]], []], r"\(Split\): expected at least 1 inputs, found 0"),
        ([[GET, ["GetLoops", ["b0"], [], []]], []], r"1 \(GetLoops\): it gave 3 results where"),
        ([[GET, ["Parallel", ["b0"], [], []]], []], r"\(Parallel\): argument `loop`: expected a L"),
        ([[GET, ["Parallel", [3], [], []]], []], r"argument `loop`: expected a LoopRV, found int"),
        ([[GET, ["Parallel", ['"C'], [], []]], []], "does not end with a quotation mark"),
        ([[GET, ["TransformLayout", ["b0", 3], [0, 1, None, 0], []]], []], "expected an IndexMap"),
        ([[GET, ["TransformLayout", ["b0", '{"nodes": 3}'], [0, 1, None, 0], []]], []],
         "not a program saved by save_json"),
        ([[GET, ["SetAxisSeparator", ["b0"], [0, 9, []], []]], []], "is out of its range"),
        ([[GET, LOOPS, ["Split", ["l1", "x", 3], [1, 0], []]], []], "2 .Split.: the trace uses"),
        ([[GET, LOOPS, ["Fuse", ["l1", "l3"], [1], ["l4"]]], []], r"2 \(Fuse\): fuse: "),
    ],
)  # fmt: skip
def test_malformed_json_is_refused_by_the_place_of_its_instruction(trace, message):
    with pytest.raises((ScheduleError, ArgumentError), match=message):
        Trace.apply_json_to_schedule(trace, Schedule(matmul()))


def test_notes_within_notes_survive_json():
    func = matmul()
    sch = Schedule(func)
    value = sch.sample_categorical([3, 4], [0.5, 0.5])
    sch.annotate("C", "note", {"a": {"b": [1, value], "c": "x"}, "d": value})
    verify_trace_roundtrip(sch, func)


def tvm_map(finals: list[dict], names: str = "ij") -> str:
    """The JSON that TVM writes for an index map of variables `names`."""
    nodes = [{"type_key": ""}]

    def add(key: str, **attrs: str) -> str:
        nodes.append({"type_key": key, "attrs": {**attrs, "span": "null"}})
        return str(len(nodes) - 1)

    def leaf(key: str, **data: object) -> str:
        nodes.append({"type_key": key, **data})
        return str(len(nodes) - 1)

    def make(expr: object) -> str:
        if isinstance(expr, str):
            return places[expr]
        if isinstance(expr, int):
            return add("ir.IntImm", dtype="int32", value=str(expr))
        kind, a, b = expr
        return add(f"tir.{kind}", a=make(a), b=make(b), dtype="int32")

    places = {n: add("tir.Var", dtype="int32", name=leaf("ffi.String", repr_str=n)) for n in names}
    old = leaf("ffi.Array", data=[int(k) for k in places.values()])
    new = leaf("ffi.Array", data=[int(make(e)) for e in finals])
    root = add("tir.IndexMap", final_indices=new, initial_indices=old, inverse_index_map="null")
    return json.dumps({"root": int(root), "nodes": nodes, "attrs": {"tvm_version": "0.21.0"}})


def test_index_maps_in_the_json_of_tvm():
    text = tvm_map([("FloorDiv", "i", 4), "j", ("FloorMod", "i", 4)])
    made, wanted = Schedule(matmul()), Schedule(matmul())
    rows = [GET, ["TransformLayout", ["b0", text], [0, 1, None, 0], []]]
    Trace.apply_json_to_schedule([rows, []], made)
    wanted.transform_layout("C", ("write", 0), lambda i, j: (i // 4, j, i % 4))
    assert_structural_equal(made.mod, wanted.mod)
    assert str(made.trace) == str(wanted.trace)


def test_nodes_of_tvm_that_are_refused():
    for text, message in (
        ('{"root": 0, "nodes": [{"type_key": "relax.Var", "attrs": {}}]}', "holds a relax.Var"),
        ('{"root": 0, "nodes": [{"type_key": "ffi.Array", "data": [0]}]}', "part of itself"),
        ('{"root": 7, "nodes": []}', "not a program saved by save_json"),
    ):
        with pytest.raises(ArgumentError, match=message):
            load_tvm_json(text)
