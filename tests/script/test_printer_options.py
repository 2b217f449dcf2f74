"""What the options of `script()` change."""

import sys

import pytest

import tilewright
from tilewright import relax, tir, topi
from tilewright.ffi.access_path import AccessPath
from tilewright.ir import IRModule, assert_structural_equal
from tilewright.ir.type import OpaqueType
from tilewright.script import from_source
from tilewright.script import relax as R
from tilewright.script import tir as T
from tilewright.script.highlight import _format, cprint
from tilewright.script.printer import PrinterConfig
from tilewright.support.errors import ArgumentError

ROOT = AccessPath.root()


@T.prim_func
def plain(a: T.int32, b: T.int32):
    T.evaluate(a + b)
    T.evaluate(b)
    T.evaluate(a)


@T.prim_func
def scale(A: T.Buffer((16, 16), "float32")):
    B = T.alloc_buffer((16, 16))
    for i, j in T.grid(16, 16):
        with T.block("scale"):
            vi, vj = T.axis.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] * T.float32(2)
    x: T.int32 = 1
    T.evaluate(x + 1)


IMPORT = "# from tilewright.script import tir as T\n\n"
HEAD = IMPORT + "@T.prim_func\ndef plain(a: T.int32, b: T.int32):\n"


def test_an_object_is_underlined_wherever_it_is_used() -> None:
    assert plain.script(obj_to_underline=[plain.params[1]]) == (
        HEAD + "    T.evaluate(a + b)\n                   ^\n"
        "    T.evaluate(b)\n               ^\n    T.evaluate(a)"
    )


def test_a_path_names_one_place() -> None:
    seq = ROOT.attr("body").attr("seq")
    text = plain.script(path_to_underline=[seq.array_item(2).attr("value"), seq.array_item(1)])
    assert text == (
        HEAD + "    T.evaluate(a + b)\n    T.evaluate(b)\n    ^^^^^^^^^^^^^\n"
        "    T.evaluate(a)\n               ^"
    )


def test_a_path_may_name_what_programs_share() -> None:
    one = tir.Evaluate(tir.IntImm("int32", 1))
    func = tir.PrimFunc((), tir.SeqStmt((one, one)), attrs={"global_symbol": "main"})
    path = ROOT.attr("body").attr("seq").array_item(1)
    assert func.script(path_to_underline=[path]).endswith("(1)\n    T.evaluate(1)\n    " + "^" * 13)


def test_whole_functions_of_a_module_are_underlined() -> None:
    mod = IRModule({"plain": plain.with_attr("global_symbol", "plain")})
    for key in ("plain", mod.get_global_var("plain")):
        text = mod.script(path_to_underline=[ROOT.attr("functions").map_item(key)])
        assert "    @T.prim_func\n    ^^^^^^^^^^^^\n    def plain(" in text
        assert "class Module:\n    @" in text


def test_remarks_stand_after_a_line_or_above_several() -> None:
    seq = ROOT.attr("body").attr("seq")
    text = plain.script(path_to_annotate={seq.array_item(1): "one", ROOT: "whole"})
    assert text == (
        IMPORT
        + "# whole\n"
        + HEAD.removeprefix(IMPORT)
        + "    T.evaluate(a + b)\n    T.evaluate(b)  # one\n    T.evaluate(a)"
    )
    first = plain.body.seq[0]
    text = plain.script(obj_to_annotate={first: "stmt", plain.params[0]: "a"})
    assert "    T.evaluate(a + b)  # a  # stmt\n" in text


def test_only_lines_around_the_underlined_are_shown() -> None:
    text = plain.script(
        obj_to_underline=[plain.body.seq[2]], num_context_lines=0, print_line_numbers=True
    )
    assert text == "(... 6 lines skipped ...)\n6     T.evaluate(a)\n      ^^^^^^^^^^^^^"


def test_marked_loops_and_scopes_stand_on_their_own() -> None:
    outer = scale.body.block.body.seq[0]
    text = scale.script(obj_to_annotate={outer.body: "inner"})
    assert "for i in range(16):\n        # inner\n        for j in range(16):\n" in text
    let = scale.body.block.body.seq[1]
    text = scale.script(obj_to_annotate={let: "bound"})
    assert "    # bound\n    with T.LetStmt(1) as x:\n        T.evaluate(x + 1)" in text


def test_without_sugar_every_node_is_written() -> None:
    text = scale.script(syntax_sugar=False)
    for part in (
        'with T.block("root"):', "for i in range(16):", "vi = T.axis.spatial(16, i)",
        "A = T.match_buffer(A_handle, (16, 16))", "with T.LetStmt(1) as x:",
    ):  # fmt: skip
        assert part in text
    assert "T.grid" not in text and "remap" not in text
    assert_structural_equal(from_source(text), scale)


def test_free_names_are_declared_above() -> None:
    loop = scale.body.block.body.seq[0]
    assert loop.script(verbose_expr=True).startswith(
        "A = T.Buffer((16, 16))\nB = T.Buffer((16, 16))\nfor i, j in T.grid("
    )
    x, y = tir.Var("x", "int64"), tir.SizeVar("y", "int64")
    assert (x + y).script(verbose_expr=True) == (
        "x = T.int64()\ny = T.int64(is_size_var=True)\nx + y"
    )
    assert (x + y).script() == "x + y"


def test_types_that_are_left_out() -> None:
    assert "B = T.alloc_buffer((16, 16))\n" in scale.script()
    assert 'B = T.alloc_buffer((16, 16), "float32")' in scale.script(buffer_dtype="void")
    assert "* T.float32(2.0)" in scale.script()
    assert "* 2.0" in scale.script(float_dtype="float32")
    assert "T.int32(1)" in scale.script(int_dtype="int64")


def test_prefixes_names_and_addresses() -> None:
    mod = IRModule({"scale": scale})
    text = mod.script(name="Mine", ir_prefix="II", tir_prefix="TT", indent_spaces=2)
    assert "@II.ir_module\nclass Mine:\n  @TT.prim_func\n  def scale(A: TT.Buffer(" in text
    assert f"def plain(a_{hex(id(plain.params[0]))}: T.int32," in plain.script(
        show_object_address=True
    )


def test_a_config_has_its_options_by_name() -> None:
    config = PrinterConfig(name="f", num_context_lines=2)
    assert (config.name, config.num_context_lines, config.syntax_sugar) == ("f", 2, True)


def test_cprint_writes_nodes_and_texts(capsys: pytest.CaptureFixture[str]) -> None:
    cprint(plain)
    cprint("x = 1", style="light")
    plain.show(style="dark", black_format=False, syntax_sugar=False)
    written = capsys.readouterr().out
    assert written.startswith(HEAD) and "x = 1\n" in written
    assert _format("x=1", None) == "x=1"
    with pytest.raises(ArgumentError, match="script knows the formatter black, found 'other'"):
        _format("x", "other")


def test_nodes_that_script_has_no_words_for_are_made_from_their_fields() -> None:
    assert str(OpaqueType("Thing")) == 'I.make_node("ir.OpaqueType", name="Thing")'


def test_types_of_values_print_as_what_is_told_of_them() -> None:
    assert [str(t) for t in (relax.ShapeType(3), relax.TensorType(2), relax.PackedFuncType())] == [
        "R.Shape(ndim=3)", 'R.Tensor(ndim=2, dtype="float32")', "R.PackedFunc",
    ]  # fmt: skip


def test_a_part_of_a_graph_program_declares_what_it_uses() -> None:
    n = tir.Var("n", "int64")
    c = relax.Var("c", relax.TensorStructInfo((), "bool"))
    a, b, y = (relax.Var(name, relax.TensorStructInfo((n,), "int8")) for name in "aby")
    info = 'R.Tensor((n,), dtype="int8")'
    bind = relax.VarBinding(y, relax.op.add(a, a))
    whole = bind.script(verbose_expr=True)
    assert whole == f"n = T.int64()\na: {info}\ny: {info} = R.add(a, a)"
    assert str(relax.If(c, a, b)) == "if c:\n    a\nelse:\n    b"
    told = relax.If(c, a, b).script(verbose_expr=True).splitlines()
    assert told[0] == 'c: R.Tensor((), dtype="bool")' and told[2:4] == [
        "    n = T.int64()", f"    a: {info}",
    ]  # fmt: skip


def test_calls_without_results_stand_alone() -> None:
    x = relax.Var("x", relax.TensorStructInfo((2,), "int8"))
    nothing = relax.TupleStructInfo([])
    seen, unseen = (relax.Var(name, nothing) for name in ("seen", "unseen"))
    shown = relax.BindingBlock(
        [relax.VarBinding(v, relax.op.print(x, format="x")) for v in (seen, unseen)]
    )
    func = relax.Function((x,), relax.SeqExpr([shown], seen), is_pure=False)
    lines = [line.strip() for line in func.script().splitlines()]
    assert 'R.print(x, format="x")' in lines and 'seen: R.Tuple = R.print(x, format="x")' in lines


def test_a_call_that_tells_its_result_needs_no_annotation() -> None:
    @R.function
    def main(x: R.Tensor((2,), "int8")) -> R.Tensor((2,), "int8"):
        y = R.call_dps_packed("copy", (x,), R.Tensor((2,), "int8"))
        return y

    assert '  y = R.call_dps_packed("copy", (x,), out_sinfo=' in main.script()


def test_a_module_without_an_alias_is_called_by_its_name() -> None:
    x = relax.Var("x", relax.TensorStructInfo((2,), "int8"))
    builder = relax.BlockBuilder()
    with builder.function("main", [x]):
        builder.emit_func_output(builder.emit_te(lambda t: topi.add(t, t), x))
    text = builder.get().script(module_alias="", name="Mine")
    assert "R.call_tir(Mine." in text


def test_a_matched_region_prints_as_it_stands_in_a_block() -> None:
    a = tir.decl_buffer((8, 8), "float32", "A")
    view = tir.MatchBufferRegion(tir.decl_buffer((2, 2), "float32", "B"), a[0:2, 4:6])
    assert str(view) == "B = T.match_buffer(A[0:2, 4:6], (2, 2))"
    assert view.script(verbose_expr=True).startswith("A = T.Buffer((8, 8))\nB = ")


def test_parameters_are_arrays_where_nothing_uses_their_address() -> None:
    @T.prim_func
    def copy(a: T.handle, b: T.handle):
        A = T.match_buffer(a, (8,))
        B = T.match_buffer(b, (8,), "float16")
        B[0] = T.Cast("float16", A[0])
        T.evaluate(b)

    assert copy.script() == (
        IMPORT + "@T.prim_func\n"
        'def copy(A: T.Buffer((8,), "float32"), b: T.handle):\n'
        '    B = T.match_buffer(b, (8,), "float16")\n'
        '    B[0] = T.Cast("float16", A[0])\n'
        "    T.evaluate(b)"
    )
    assert_structural_equal(from_source(copy.script()), copy)


@pytest.mark.parametrize("option", ["ir_prefix", "tir_prefix", "relax_prefix"])
def test_prefixes_are_names(option: str) -> None:
    with pytest.raises(ArgumentError, match=f"`{option}` is how the text calls a dialect, found '"):
        plain.script(**{option: "2I"})


def test_small_floats_look_like_floats() -> None:
    texts = [str(tir.const(value, "float8_e4m3fn")) for value in (0.0, -0.0, 1.0, 0.5)]
    shown = ["0.0", "-0.0", "1.0", "0.5"]
    assert texts == [f"T.float8_e4m3fn({text})" for text in shown]


def test_a_program_tells_what_it_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name under which the package is in use."""
    mod = IRModule({"plain": plain})
    assert mod.script().startswith(
        "# from tilewright.script import ir as I\n# from tilewright.script import tir as T\n\n@I."
    )
    monkeypatch.setitem(sys.modules, "tvm", tilewright)
    assert plain.script().startswith("# from tvm.script import tir as T\n\n@T.prim_func\n")
    assert plain.body.script().startswith("T.evaluate")


def test_words_are_those_of_the_calls_that_they_stand_for() -> None:
    x, y = tir.Var("x", "int32"), tir.Var("y", "int32")
    shown = [str(e) for e in (x << y, x & y, ~x)]
    assert shown == ["T.shift_left(x, y)", "T.bitwise_and(x, y)", "T.bitwise_not(x)"]
    let = tir.Let(x, 1, x + 1)
    assert let.script(verbose_expr=True) == "x = T.int32()\nT.Let(x + 1, where={x: 1})"


def test_memory_that_is_one_buffer_is_declared_at_once() -> None:
    @T.prim_func
    def whole(n: T.int32) -> T.int32:
        A = T.decl_buffer((8,), "int32")
        A[0:4] = T.Broadcast(n, 4)
        return A[1]

    @T.prim_func
    def half():
        memory = T.allocate([8], "int32", "global")
        A = T.decl_buffer((4,), "int32", data=memory)
        A[0] = 1

    text = whole.script()
    for part in (
        'A = T.decl_buffer((8,), "int32")\n',
        "A[0:4] = T.Broadcast(n, 4)\n",
        "return A[1]",
    ):
        assert part in text
    assert "data=memory" in half.script()
    for func in (whole, half):
        assert_structural_equal(from_source(func.script()), func)
    assert whole.body.script().startswith('with T.decl_buffer((8,), "int32") as A:\n    A[0:4]')


def test_what_values_do_not_tell_stays_without_all_struct_info() -> None:
    func = from_source("""
@R.function
def main(x: R.Tensor((4, 2), "float32"), f: R.Callable, g: R.Callable(purity=True)):
    known: R.Tensor((4, 2), "float32") = R.add(x, x)
    wide: R.Tensor(ndim=2, dtype="float32") = R.add(x, x)
    return known, wide
""")
    text = func.script(show_all_struct_info=False)
    assert "known = R.add(x, x)" in text
    assert 'wide: R.Tensor(dtype="float32", ndim=2) = R.add(x, x)' in text
    assert "f: R.Callable, g: R.Callable(purity=True)" in text
    assert_structural_equal(from_source(text), func)


def test_a_path_may_name_a_definition() -> None:
    def below(path: AccessPath) -> tuple[str, str]:
        lines = scale.script(path_to_underline=[path]).split("\n")
        (at,) = [i for i, line in enumerate(lines) if line.strip() and not line.strip("^ ")]
        return lines[at - 1].strip(), lines[at - 1][lines[at].index("^") : len(lines[at])]

    loop = ROOT.attr("body").attr("block").attr("body").attr("seq").array_item(0)
    assert below(loop.attr("loop_var"))[1] == "i"
    assert below(loop.attr("extent"))[1] == "16"
    head, name = below(ROOT.attr("params").array_item(0))
    assert head.startswith("def ") and head.split("(")[1].startswith(f"{name}:")


@pytest.mark.parametrize(
    "option, words",
    [
        ({"indent_spaces": 0}, "`indent_spaces` is a number of spaces, 1 or more, found 0"),
        ({"num_context_lines": "2"}, "`num_context_lines` is a number of lines, or None"),
        ({"int_dtype": "int33"}, "unknown dtype 'int33'"),
        ({"path_to_underline": [3]}, r"`path_to_underline` is a list of AccessPath, found \[3\]"),
        ({"obj_to_underline": 5}, "`obj_to_underline` is a list of nodes, found 5"),
    ],
)
def test_wrong_options_are_refused(option: dict[str, object], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        plain.script(**option)
