"""Virtual devices and other infos of modules: lookup, printing, reading back."""

import pytest

from tilewright import relax
from tilewright.ir import (
    DummyGlobalInfo,
    IRModule,
    VDevice,
    assert_structural_equal,
    load_json,
    save_json,
    structural_hash,
)
from tilewright.script import from_source
from tilewright.support.errors import TVMError
from tilewright.target import Target

TEXT = """
@I.ir_module
class Module:
    I.module_global_infos({"vdevice": [I.vdevice("llvm"), I.vdevice({"kind": "cuda"}, 0, "shared"),
                                       I.vdevice("cuda", 1)], "dummy": [I.dummy_global_info()]})

    @R.function
    def main(x: R.Tensor((4,), "float32", "llvm")) -> R.Tensor((4,), "float32", "cuda:1"):
        with R.dataflow():
            y: R.Tensor((4,), "float32", "cuda:1:global") = R.to_vdevice(x, "cuda:1")
            R.output(y)
        return y
"""


def test_a_target_may_be_text_or_a_dict() -> None:
    assert VDevice("llvm").target == Target("llvm")
    assert VDevice({"kind": "cuda"}, 1).target == Target("cuda")


def test_script_names_devices_by_kind_and_number() -> None:
    mod = from_source(TEXT)
    devices = mod.global_infos["vdevice"]
    assert mod["main"].params[0].struct_info.vdevice is devices[0]
    assert mod["main"].ret_struct_info.vdevice is devices[2]
    assert isinstance(mod.global_infos["dummy"][0], DummyGlobalInfo)


def test_printed_modules_read_back() -> None:
    mod = from_source(TEXT)
    assert 'vdevice="cuda:1"' in mod.script()
    assert_structural_equal(from_source(mod.script()), mod)


def test_json_keeps_targets() -> None:
    mod = from_source(TEXT)
    again = load_json(save_json(mod))
    assert_structural_equal(again, mod)
    assert structural_hash(again) == structural_hash(mod)


def test_an_unknown_device_is_an_error_that_lists_what_there_is() -> None:
    with pytest.raises(TVMError, match="no virtual device cuda:2"):
        from_source(TEXT.replace('R.to_vdevice(x, "cuda:1")', 'R.to_vdevice(x, "cuda:2")'))


def test_infos_of_a_device_outside_of_a_module_print_whole() -> None:
    info = relax.TensorStructInfo((4,), "float32", VDevice("llvm", 2))
    assert "I.vdevice(" in str(info)
    assert isinstance(IRModule().global_infos, dict)
