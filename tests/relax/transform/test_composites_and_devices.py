"""Composite functions merged by compiler; virtual devices realized and exchanged."""

import numpy as np
import pytest

from tilewright.ir import IRModule, VDevice
from tilewright.relax import interpreter
from tilewright.relax import transform as T
from tilewright.relax.analysis import check_well_formed
from tilewright.relax.dpl import is_op, wildcard
from tilewright.support.errors import TVMError

from ..helpers import random
from ..rewrites import check_meaning, read

PATTERNS = [
    ("ext.relu", is_op("relax.nn.relu")(wildcard())),
    ("ext.add", is_op("relax.add")(wildcard(), wildcard())),
]


def merged(body: str) -> tuple[IRModule, IRModule]:
    mod = read(body)
    made = T.MergeCompositeFunctions()(T.FuseOpsByPattern(PATTERNS)(mod))
    check_well_formed(made)
    return mod, made


def codegen(mod: IRModule) -> list[str]:
    return [v.name_hint for v, f in mod.items() if "Codegen" in getattr(f, "attrs", {})]


def test_a_chain_becomes_one_function() -> None:
    before, after = merged("""
    @R.function
    def main(x: R.Tensor((4,), "float32"), y: R.Tensor((4,), "float32")):
        with R.dataflow():
            a = R.nn.relu(x)
            b = R.nn.relu(y)
            c = R.add(a, b)
            out = R.exp(c)
            R.output(out)
        return out
    """)
    assert len(codegen(after)) == 1
    func = after[codegen(after)[0]]
    assert func.attrs["Codegen"] == "ext" and func.attrs["global_symbol"] == codegen(after)[0]
    locals_ = [b.value for b in func.body.bindings() if hasattr(b.value, "attrs")]
    assert [f.attrs["Composite"] for f in locals_ if "Composite" in f.attrs] == [
        "ext.relu", "ext.relu", "ext.add",
    ]  # fmt: skip
    check_meaning(before, after, random(4), random(4, seed=1))


def test_what_waits_for_another_piece_is_not_merged_around_it() -> None:
    before, after = merged("""
    @R.function
    def main(x: R.Tensor((4,), "float32")):
        with R.dataflow():
            a = R.nn.relu(x)
            b = R.exp(a)
            c = R.add(a, b)
            R.output(c)
        return c
    """)
    assert len(codegen(after)) == 2
    check_meaning(before, after, random(4))


def test_several_results_of_a_group() -> None:
    before, after = merged("""
    @R.function
    def main(x: R.Tensor((4,), "float32")):
        with R.dataflow():
            a = R.nn.relu(x)
            b = R.nn.relu(a)
            c = R.exp(a)
            R.output(b, c)
        return (b, c)
    """)
    assert len(codegen(after)) == 1
    check_meaning(before, after, random(4))


DEVICES = """
    I.module_global_infos({"vdevice": [I.vdevice("llvm"), I.vdevice("cuda", 0)]})

    @R.function
    def main(x: R.Tensor((4,), "float32"), y: R.Tensor((4,), "float32")):
        with R.dataflow():
            a = R.hint_on_device(x, I.lookup_vdevice("cuda", 0))
            b = R.add(a, a)
            c = R.hint_on_device(b, I.lookup_vdevice("llvm", 0))
            d = R.multiply(c, y)
            R.output(d)
        return d
"""


def test_hints_become_places_and_copies() -> None:
    made = T.RealizeVDevice()(read(DEVICES))
    check_well_formed(made)
    text = made.script()
    assert 'x: R.Tensor((4,), dtype="float32", vdevice="cuda:0")' in text
    assert 'y: R.Tensor((4,), dtype="float32", vdevice="llvm:0")' in text
    assert text.count("R.to_vdevice(") == 1 and "hint_on_device" not in text
    got = interpreter.run(made, np.ones(4, "float32"), np.ones(4, "float32"))
    assert got.tolist() == [2, 2, 2, 2]


def test_a_device_is_exchanged_everywhere() -> None:
    made = T.UpdateVDevice(VDevice("vulkan", 3), 1)(T.RealizeVDevice()(read(DEVICES)))
    assert made.global_infos["vdevice"][1].target.kind.name == "vulkan"
    assert made["main"].params[0].struct_info.vdevice.vdevice_id == 3
    assert "cuda" not in made.script()


def test_there_must_be_such_a_device() -> None:
    with pytest.raises(TVMError, match="has 2 virtual devices, no 2"):
        T.UpdateVDevice(VDevice("llvm"), 2)(read(DEVICES))
