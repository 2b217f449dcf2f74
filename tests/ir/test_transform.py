"""Passes run, nest, are switched and are watched."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tilewright import tir
from tilewright.ir import GlobalVar, IRModule
from tilewright.ir.instrument import (
    PassInstrument,
    PassPrintingInstrument,
    PassTimingInstrument,
    PrintAfterAll,
    PrintBeforeAll,
    WellFormedInstrument,
    pass_instrument,
)
from tilewright.ir.transform import (
    ApplyPassToFunction,
    ModulePass,
    PassContext,
    PassInfo,
    PrintIR,
    Sequential,
    make_function_pass,
    module_pass,
    register_config,
)
from tilewright.support import knobs
from tilewright.support.errors import ArgumentError, ArgumentTypeError, IllFormedError
from tilewright.tir.transform import (
    HoistExpressionConfig,
    HoistIfThenElseConfig,
    InjectDoubleBufferConfig,
    LoopPartitionConfig,
    ReduceBranchingThroughOvercomputeConfig,
    RemoveNoOpConfig,
    SimplifyConfig,
    UnrollLoopConfig,
)

prim_func_pass = make_function_pass(tir.PrimFunc)


@module_pass(opt_level=1, name="Mark")
def mark(mod: IRModule, _: PassContext) -> IRModule:
    return mod.with_attr("marked", mod.attrs.get("marked", 0) + 1)


@module_pass(opt_level=3)
class Name:
    def __init__(self, name: str) -> None:
        self.name = name

    def transform_module(self, mod: IRModule, _: PassContext) -> IRModule:
        return mod.with_attr("name", self.name)


def nothing() -> IRModule:
    return IRModule({"f": tir.PrimFunc((), tir.Evaluate(0))})


def test_levels_and_switches() -> None:
    both = Sequential([mark, Name("n")])
    assert both(nothing()).attrs == {"marked": 1}
    with PassContext(opt_level=3):
        assert both(nothing()).attrs == {"marked": 1, "name": "n"}
    with PassContext(opt_level=0, required_pass=["Name"]):
        assert both(nothing()).attrs == {"name": "n"}
    with PassContext(opt_level=3, disabled_pass=["Mark"]):
        assert both(nothing()).attrs == {"name": "n"}


def test_function_passes_leave_other_functions_alone() -> None:
    @prim_func_pass(opt_level=0, name="Tag")
    def tag(func: tir.PrimFunc, mod: IRModule, _: PassContext) -> tir.PrimFunc:
        return func.with_attr("tagged", True)

    mod = nothing()
    assert tag(mod)["f"].attrs == {"tagged": True}
    assert mod["f"].attrs == {}


def test_instruments_watch_and_may_refuse() -> None:
    @pass_instrument
    class Refuse:
        def should_run(self, mod: IRModule, info: PassInfo) -> bool:
            return info.name != "Mark"

    timing = PassTimingInstrument()
    with PassContext(opt_level=3, instruments=[Refuse(), timing]):
        assert "marked" not in Sequential([mark, Name("n")])(nothing()).attrs
    assert "Name" in timing.render()
    assert isinstance(Refuse(), PassInstrument)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(AttributeError, match="has no option 'unknown'"):
        PassContext(config={"unknown": 1})
    with pytest.raises(AttributeError, match="takes a UnrollLoopConfig, found int 1"):
        PassContext(config={"tir.UnrollLoop": 1})
    with pytest.raises(TypeError, match=r"'tir\.UnrollLoop' takes a value of int"):
        PassContext(config={"tir.UnrollLoop": {"auto_max_step": "many"}})
    with pytest.raises(TypeError, match="has no field 'steps'"):
        PassContext(config={"tir.UnrollLoop": {"steps": 1}})


def test_options_of_passes_that_have_no_counterpart_say_so() -> None:
    given = {
        "relax.backend.use_cuda_graph": True, "relax.fallback_device_type": 1,
        "relax.lift_transform_params.consume_params": True, "tir.noalias": True,
        "tir.detect_global_barrier": False, "tir.ptx_ldg32": 1,
    }  # fmt: skip
    assert PassContext(config=given).config["tir.ptx_ldg32"] is True
    known = PassContext.list_configs()
    assert all(known[name]["doc"].startswith("no effect: ") for name in given)


def test_options_are_known_before_their_passes_are_imported() -> None:
    code = (
        "from tilewright.ir.transform import PassContext; "
        "print(PassContext(config={'relax.FuseOps.max_depth': 3}).config)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "{'relax.FuseOps.max_depth': 3}\n"


def test_dump_writes_one_file_a_pass(tmp_path: Path) -> None:
    with knobs.DUMP.set(str(tmp_path)):
        Sequential([mark, mark])(nothing())
    assert [f.name for f in sorted(tmp_path.iterdir())] == ["000_Mark.py", "001_Mark.py"]


def test_modules_are_printed_around_every_pass(capsys) -> None:
    with PassContext(instruments=[PrintBeforeAll(), PrintAfterAll()]):
        mark(nothing())
    text = capsys.readouterr().out
    before, after = text.split("# After Running Pass: pass name: Mark\n")
    assert before.startswith("# Before Running Pass: pass name: Mark\n")
    assert "marked" not in before and 'I.module_attrs({"marked": 1})' in after


def test_a_pass_says_that_it_wants_a_module() -> None:
    func = tir.PrimFunc([], tir.Evaluate(0))
    with pytest.raises(ArgumentTypeError, match="Mark transforms an IRModule, found PrimFunc"):
        mark(func)  # type: ignore[arg-type]


def test_a_context_says_which_passes_run_and_takes_other_instruments() -> None:
    context = PassContext(opt_level=1, disabled_pass=["off"], required_pass=["late"])
    assert context.pass_enabled(PassInfo(1, "plain"))
    assert not context.pass_enabled(PassInfo(0, "off"))
    assert not context.pass_enabled(PassInfo(2, "high")) and context.pass_enabled(
        PassInfo(2, "late")
    )
    first, second = PassTimingInstrument(), PassTimingInstrument()
    with PassContext(instruments=[first]) as inner:
        inner.override_instruments([second])
        mark(nothing())
    assert "Mark" in second.render() and "Mark" not in first.render()


EVENTS = ("enter_pass_ctx", "exit_pass_ctx", "should_run", "run_before_pass", "run_after_pass")


def test_instruments_are_told_of_everything_in_order() -> None:
    seen: list[str] = []

    @pass_instrument
    class Log:
        def __init__(self, name: str) -> None:
            self.name = name

        def enter_pass_ctx(self) -> None:
            seen.append(f"{self.name} enter")

        def exit_pass_ctx(self) -> None:
            seen.append(f"{self.name} exit")

        def should_run(self, mod: IRModule, info: PassInfo) -> bool:
            seen.append(f"{self.name} asked {info.name}")
            return info.name != "Name"

        def run_before_pass(self, mod: IRModule, info: PassInfo) -> None:
            seen.append(f"{self.name} before {info.name} {mod.attrs}")

        def run_after_pass(self, mod: IRModule, info: PassInfo) -> None:
            seen.append(f"{self.name} after {info.name} {mod.attrs}")

    with PassContext(opt_level=3, instruments=[Log("a"), Log("b")]):
        Sequential([mark, Name("n")])(nothing())
    assert seen == [
        "a enter", "b enter", "a asked Mark", "b asked Mark", "a before Mark {}",
        "b before Mark {}", "a after Mark {'marked': 1}", "b after Mark {'marked': 1}",
        "a asked Name", "b asked Name", "a exit", "b exit",
    ]  # fmt: skip


def test_an_instrument_without_methods_watches_in_silence() -> None:
    @pass_instrument
    class Silent:
        """Nothing."""

    made = Silent()
    assert isinstance(made, PassInstrument) and made.should_run(nothing(), mark.info)
    assert [getattr(made, name)() for name in EVENTS[:2]] == [None, None]
    with PassContext(instruments=[made]):
        assert mark(nothing()).attrs == {"marked": 1}


def test_the_module_is_printed_around_the_passes_named(capsys) -> None:
    watch = PassPrintingInstrument(["Mark"], print_after_pass_names=["Name", "Absent"])
    with PassContext(opt_level=3, instruments=[watch]):
        Sequential([mark, Name("n")])(nothing())
    before, after = capsys.readouterr().out.split("# After Running Pass: pass name: Name\n")
    assert before.startswith("# Before Running Pass: pass name: Mark\n") and "marked" not in before
    assert 'I.module_attrs({"marked": 1, "name": "n"})' in after


def test_a_pass_prints_the_module_on_its_way(capsys) -> None:
    mod = nothing()
    assert Sequential([PrintIR("# here"), mark, PrintIR()])(mod).attrs == {"marked": 1}
    marked = mod.with_attr("marked", 1)
    assert capsys.readouterr().out == f"# here\n{mod}\n{marked}\n"


def test_times_are_a_tree_and_begin_anew_with_each_context() -> None:
    @module_pass(opt_level=0, name="Outer")
    def outer(mod: IRModule, _: PassContext) -> IRModule:
        return mark(mark(mod))

    timing = PassTimingInstrument()
    assert timing.render() == ""
    for _ in range(2):
        with PassContext(instruments=[timing]):
            outer(nothing())
            text = timing.render()
    rows = [re.fullmatch(r" *([\d.]+) ms +([\d.]+)%  ( *\w+)", row) for row in text.splitlines()]
    assert [row and row[3] for row in rows] == ["Outer", "  Mark", "  Mark"]
    assert rows[0] is not None and rows[0][2] == "100.0"
    assert timing.render() == text


def test_a_pass_of_a_function_is_one_of_modules() -> None:
    made = ModulePass(lambda mod, context: mod.with_attr("level", context.opt_level),
                      PassInfo(1, "Level", ("Mark",)))  # fmt: skip
    assert isinstance(mark, ModulePass) and isinstance(Name("n"), ModulePass)
    assert (made.info.opt_level, made.info.name, made.info.required) == (1, "Level", ("Mark",))
    with PassContext(opt_level=4):
        assert made(nothing()).attrs == {"level": 4}


@prim_func_pass(opt_level=0, name="Double")
def double(func: tir.PrimFunc, mod: IRModule, _: PassContext) -> tir.PrimFunc:
    return func.replace(body=tir.SeqStmt((func.body, func.body)))


def evaluating() -> IRModule:
    return IRModule({name: tir.PrimFunc((), tir.Evaluate(k)) for k, name in
                     enumerate(("conv", "conv2d", "dense"))})  # fmt: skip


@pytest.mark.parametrize(
    ("regex", "changed"),
    [("conv", ["conv", "conv2d"]), ("conv$", ["conv"]), (".*2d", ["conv2d"]), ("ense", []),
     (".*", ["conv", "conv2d", "dense"])],
)  # fmt: skip
def test_a_pass_on_the_functions_whose_names_match(regex: str, changed: list[str]) -> None:
    mod = evaluating()
    made = ApplyPassToFunction(double, regex)(mod)
    assert made.names() == mod.names()
    assert [name for name in mod.names() if made[name] is not mod[name]] == changed
    assert all(isinstance(made[name].body, tir.SeqStmt) for name in changed)
    assert all(made[name].attrs == {} for name in mod.names())
    assert (made is mod) == (not changed)


def test_no_match_may_be_an_error() -> None:
    apply = ApplyPassToFunction(double, "none", error_if_no_function_matches_regex=True)
    assert apply.info.name == "ApplyPassTonone"
    with pytest.raises(ArgumentError, match="no function of the module matches 'none'") as found:
        apply(evaluating())
    assert "it has conv, conv2d, dense" in str(found.value)


def test_functions_that_are_left_alone_are_still_known_to_the_pass() -> None:
    seen: list[tuple[str, str]] = []

    @module_pass(opt_level=0, name="Grow")
    def grow(mod: IRModule, _: PassContext) -> IRModule:
        seen.extend((var.name_hint, func.attrs.get("global_symbol")) for var, func in mod.items())
        functions = {var: func for var, func in mod.items() if var.name_hint != "conv2d"}
        return mod.with_functions({**functions, GlobalVar("new"): mod["conv"]})

    mod = evaluating()
    made = ApplyPassToFunction(grow, "conv")(mod)
    assert seen == [("conv", "conv"), ("conv2d", "conv2d"), ("dense", None)]
    assert made.names() == ["conv", "conv2d", "dense", "new"]
    assert made["dense"] is mod["dense"] and made["conv2d"] is mod["conv2d"]
    assert made["conv"].attrs == {}


def test_options_are_declared_with_their_type() -> None:
    name = register_config("tests.marker", int, "a number")
    assert name == "tests.marker"
    assert PassContext.list_configs()[name] == {"type": "int", "doc": "a number"}
    assert PassContext(config={name: 3}).config == {name: 3}
    with pytest.raises(AttributeError, match=r"option 'tests\.marker' takes a int, found str 'x'"):
        PassContext(config={name: "x"})


CONFIGS = {
    "tir.LoopPartition": (LoopPartitionConfig, {"partition_const_loop": True}),
    "tir.UnrollLoop": (UnrollLoopConfig, {"auto_max_step": 16}),
    "tir.HoistIfThenElse": (HoistIfThenElseConfig, {"support_block_scope_hoisting": True}),
    "tir.HoistExpression": (HoistExpressionConfig, {"hoisted_conditionals": 1}),
    "tir.InjectDoubleBuffer": (InjectDoubleBufferConfig, {"split_loop": 2}),
    "tir.RemoveNoOp": (RemoveNoOpConfig, {"use_dataflow_analysis": True}),
    "tir.Simplify": (SimplifyConfig, {"convert_boolean_to_and_of_ors": True}),
    "tir.ReduceBranchingThroughOvercompute":
        (ReduceBranchingThroughOvercomputeConfig, {"use_dataflow_analysis": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_groups_of_options_are_dicts_or_instances(name: str) -> None:
    kind, fields = CONFIGS[name]
    made = kind(**fields)
    assert made != kind()
    assert PassContext(config={name: fields}).config == {name: made}
    assert PassContext(config={name: made}).config == {name: made}
    assert PassContext.list_configs()[name]["type"] == kind.__name__


def test_the_current_context_is_the_innermost_of_its_thread() -> None:
    default = PassContext.current()
    assert default.opt_level == 2 and default.config == {} and default.instruments == ()
    elsewhere: list[PassContext] = []
    with PassContext(opt_level=3) as outer:
        with PassContext(opt_level=0, disabled_pass={"Mark"}) as inner:
            assert PassContext.current() is inner and inner.disabled_pass == ("Mark",)
            other = threading.Thread(target=lambda: elsewhere.append(PassContext.current()))
            other.start()
            other.join()
        assert PassContext.current() is outer
        with pytest.raises(ValueError, match="left"), inner:
            raise ValueError("left")
        assert PassContext.current() is outer
    assert PassContext.current() is default and elsewhere == [default]


def test_what_a_pass_is_called_and_requires() -> None:
    @module_pass(opt_level=2, required=["Mark"], traceable=True)
    def wanted(mod: IRModule, _: PassContext) -> IRModule:
        return mod

    both = Sequential([mark, wanted], opt_level=1, name="both", required=["Name"])
    assert wanted.info == PassInfo(2, "wanted", ("Mark",), True)
    assert both.info == PassInfo(1, "both", ("Name",), False) and both.passes == (mark, wanted)
    assert str(wanted) == "<pass wanted>"


def test_settings_watch_every_pass(capsys) -> None:
    with knobs.DIFF.set(True):
        mark(mark(nothing()))
    added = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("+", "-"))]
    assert [line for line in added if "marked" in line] == [
        '+    I.module_attrs({"marked": 1})', '-    I.module_attrs({"marked": 1})',
        '+    I.module_attrs({"marked": 2})',
    ]  # fmt: skip
    assert added[:2] == ["--- before Mark", "+++ after Mark"]


@pytest.mark.parametrize("watch", [lambda: PassContext(instruments=[WellFormedInstrument()]),
                                   lambda: knobs.VERIFY.set(1)])  # fmt: skip
def test_what_a_pass_leaves_is_checked(watch) -> None:
    @module_pass(opt_level=0, name="Break")
    def spoil(mod: IRModule, _: PassContext) -> IRModule:
        return IRModule({"f": tir.PrimFunc((), tir.Evaluate(tir.Var("lost", "int32")))})

    with watch(), pytest.raises(IllFormedError, match="lost"):
        spoil(nothing())
    assert spoil(nothing()).names() == ["f"]
