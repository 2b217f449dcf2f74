"""Tensors on meshes: script, placement of results, refusals."""

import pytest

from tilewright import relax
from tilewright.ir import Range, assert_structural_equal, load_json, save_json
from tilewright.relax.distributed import DeviceMesh, DTensorStructInfo, Placement, PlacementSpec
from tilewright.script import from_source
from tilewright.support.errors import TVMError

HEAD = """
@I.ir_module
class Module:
    I.module_attrs({"device_num": 4})
    I.module_global_infos({"mesh": [R.device_mesh((2, 2), I.Range(0, 4)),
                                    R.device_mesh((1,), [5])]})
"""
MODULE = (
    HEAD
    + """
    @T.prim_func(private=True)
    def add(A: T.Buffer((8, 16), "float32"), B: T.Buffer((8, 16), "float32"),
            C: T.Buffer((8, 16), "float32")):
        for i, j in T.grid(8, 16):
            with T.block("add"):
                vi, vj = T.axis.remap("SS", [i, j])
                C[vi, vj] = A[vi, vj] + B[vi, vj]

    @R.function
    def main(x: R.DTensor((8, 16), "float32", "mesh[0]", "S[0], R"),
             w: R.DTensor((16, "m"), "float32", "mesh[0]", "R, S[1]")
    ) -> R.DTensor((8, "m"), "float32", "mesh[0]", "S[0], S[1]"):
        m = T.int64()
        cls = Module
        lv0: R.DTensor((8, 16), "float32", "mesh[0]", "S[0], R") = R.dist.call_tir(
            cls.add, (x, x), out_sinfo=R.DTensor((8, 16), "float32", "mesh[0]", "S[0], R"))
        lv1 = R.dist.call_tir_local_view(
            cls.add, (lv0, x), out_sinfo=R.DTensor((8, 16), "float32", "mesh[0]", "S[0], R"))
        lv2 = R.dist.redistribute(lv1, device_mesh="mesh[0]", placement="S[0], R")
        lv3 = R.matmul(lv2, w)
        gv = R.nn.relu(lv3)
        return gv
"""
)


def test_the_mesh_of_a_range_has_its_numbers() -> None:
    mesh = DeviceMesh((2, 2), Range(4, 8))
    assert mesh.device_ids == (4, 5, 6, 7)


def test_placements_are_read_and_written_as_text() -> None:
    placement = Placement.from_text("S[1], R")
    assert placement.dim_specs[0].axis == 1 and placement.dim_specs[0].is_sharding
    assert placement.text == "S[1], R"
    specs = [PlacementSpec.sharding(1), PlacementSpec.replica()]
    assert_structural_equal(Placement(specs), placement)


def test_script_reads_and_prints_distributed_programs() -> None:
    mod = from_source(MODULE)
    text = mod.script()
    assert 'R.DTensor((8, 16), dtype="float32", device_mesh="mesh[0]", placement="S[0], R")' in text
    assert "R.dist.call_tir(" in text and "R.dist.call_tir_local_view(" in text
    assert_structural_equal(from_source(text), mod)
    assert_structural_equal(load_json(save_json(mod)), mod)


def test_results_lie_where_the_axes_of_arguments_go() -> None:
    func = from_source(MODULE)["main"]
    infos = {b.var.name_hint: b.var.struct_info for b in func.body.bindings()}
    assert infos["lv3"].placement.text == "S[0], S[1]"
    assert infos["gv"].placement.text == "S[0], S[1]"


@pytest.mark.parametrize(
    ("call", "placement"),
    [
        ("R.permute_dims(x)", "S[1], R"),
        ("R.sum(x, axis=1)", "S[0], R"),
        ("R.sum(x, axis=0)", "R, R"),
        ("R.sum(x, axis=0, keepdims=True)", "R, R"),
        ("R.add(x, x)", "S[0], R"),
        ("R.astype(x, dtype='float16')", "S[0], R"),
    ],
)
def test_placement_of(call: str, placement: str) -> None:
    text = (
        HEAD
        + f"""
    @R.function
    def main(x: R.DTensor((8, 16), "float32", "mesh[0]", "S[0], R")):
        y = {call}
        return y
"""
    )
    info = from_source(text)["main"].body.body.struct_info
    assert isinstance(info, DTensorStructInfo)
    assert info.placement.text == placement


def test_a_program_is_annotated_before_it_is_spread() -> None:
    text = (
        HEAD
        + """
    @R.function
    def main(x: R.Tensor((8, 16), "float32")):
        y = R.dist.annotate_sharding(x, device_mesh="mesh[1]", placement="S[1]")
        return y
"""
    )
    mod = from_source(text)
    assert 'R.dist.annotate_sharding(x, device_mesh="mesh[1]", placement="S[1]")' in mod.script()
    assert isinstance(mod["main"].body.body.struct_info, relax.TensorStructInfo)


def test_parts_of_replicas() -> None:
    x = relax.Var("x", relax.TensorStructInfo((8, 6), "float32"))
    call = relax.op.distributed.redistribute_replica_to_shard(x, 2, 1)
    assert call.struct_info.static_shape == (8, 3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"S[0], R"),\n', '"S[2], R"),\n', r"S\[2\] of a tensor of 2 dimensions"),
        ('"mesh[0]", "S[0], R"),\n', '"mesh[0]", "S[0]"),\n', "placement of 1"),
        ('"mesh[0]", "S[0], R"),\n', '"mesh[7]", "S[0], R"),\n', r"no global info `mesh\[7\]`"),
        ('"S[0], R"),\n', '"P, R"),\n', "'P' is no placement"),
        ('"R, S[1]")', '"S[1], R")', r"cut along the axes \[0, 1\]"),
    ],
)
def test_what_cannot_be_placed_is_an_error(old: str, new: str, message: str) -> None:
    assert old in MODULE
    with pytest.raises(TVMError, match=message):
        from_source(MODULE.replace(old, new, 1))


def test_a_mesh_has_a_device_for_each_place() -> None:
    with pytest.raises(TVMError, match="has 4 devices, found 3"):
        DeviceMesh((2, 2), [0, 1, 2])
