"""Passes run, nest, are switched and are watched."""

import subprocess
import sys
from pathlib import Path

import pytest

from tilewright import tir
from tilewright.ir import IRModule
from tilewright.ir.instrument import (
    PassInstrument,
    PassTimingInstrument,
    PrintAfterAll,
    PrintBeforeAll,
    pass_instrument,
)
from tilewright.ir.transform import (
    PassContext,
    PassInfo,
    Sequential,
    make_function_pass,
    module_pass,
)
from tilewright.support import knobs
from tilewright.support.errors import ArgumentTypeError

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
