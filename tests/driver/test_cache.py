"""The cache of compiled modules: what hits, what misses, and what happens to damaged entries."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tilewright as tw
from tilewright import relax
from tilewright.driver import cache
from tilewright.ir.instrument import PassTimingInstrument
from tilewright.ir.json import fingerprint
from tilewright.ir.module import IRModule
from tilewright.ir.op import register_op_attr
from tilewright.ir.transform import PassContext
from tilewright.script import from_source
from tilewright.support.knobs import CACHE, Knob
from tilewright.target import Target

OPTIONS = {"relax": "default", "tir": "default"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty cache for each test."""
    with CACHE.set(str(tmp_path)):
        yield tmp_path / "executables"


def weights() -> np.ndarray:
    return np.arange(24, dtype="float32").reshape(4, 6) / 7


def model(weight: np.ndarray | None = None, axis: int = -1, name: str = "x") -> IRModule:
    bb = relax.BlockBuilder()
    x = relax.Var(name, relax.TensorStructInfo((3, 4), "float32"))
    with bb.function("main", [x]):
        with bb.dataflow():
            y = bb.emit(relax.op.matmul(x, relax.const(weights() if weight is None else weight)))
            out = bb.emit_output(relax.op.nn.softmax(y, axis=axis))
        bb.emit_func_output(out)
    return bb.get()


def key(mod: IRModule, target: str = "llvm") -> str | None:
    return cache.key_of(mod, Target(target), OPTIONS)


TEXT = """
@I.ir_module
class M:
    @R.function
    def main(x: R.Tensor((3, 4), "float32")) -> R.Tensor((3, 4), "float32"):
        y = R.exp(x)
        return y
"""


def test_the_same_text_has_the_same_key() -> None:
    first, again = key(from_source(TEXT)), key(from_source(TEXT))
    assert first is not None
    assert again == first
    assert key(from_source(TEXT.replace("exp", "log"))) != first


def run(executable: tw.driver.CompiledExecutable) -> np.ndarray:
    x = np.linspace(-1, 1, 12, dtype="float32").reshape(3, 4)
    return relax.VirtualMachine(executable, tw.cpu())["main"](tw.nd.array(x)).numpy()


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


def test_the_second_compilation_is_loaded_and_computes_the_same(folder: Path) -> None:
    cold = tw.compile(model())
    assert len(entries(folder)) == 1
    warm = tw.compile(model())
    assert cold.lowered is not None
    assert warm.lowered is None
    assert warm.objects == cold.objects
    assert warm.as_text() == cold.as_text()
    np.testing.assert_array_equal(run(warm), run(cold))
    assert len(entries(folder)) == 1


def test_a_loaded_executable_outlives_its_entry(folder: Path) -> None:
    expected = run(tw.compile(model()))
    warm = tw.compile(model())
    entries(folder)[0].unlink()
    np.testing.assert_array_equal(run(warm), expected)


def test_the_key_depends_on_content_and_not_on_objects() -> None:
    assert key(model()) == key(model()) is not None


def test_a_changed_weight_misses() -> None:
    changed = weights()
    changed[3, 5] = np.nextafter(changed[3, 5], 2)
    assert key(model(changed)) != key(model())


def test_a_changed_weight_gives_its_own_result() -> None:
    before = run(tw.compile(model()))
    changed = weights()
    changed[0, 0] += 1
    assert not np.array_equal(run(tw.compile(model(changed))), before)


def test_every_other_difference_misses() -> None:
    base = key(model())
    assert key(model(axis=0)) != base
    assert key(model(name="y")) != base  # parameters have names at run time
    assert key(model(), "llvm -mcpu=x86-64-v3") != base
    assert cache.key_of(model(), Target("llvm"), {"relax": "zero", "tir": "default"}) != base
    with PassContext(opt_level=0):
        assert key(model()) != base
    with PassContext(disabled_pass=["FuseOps"]):
        assert key(model()) != base


def test_a_setting_misses_even_before_its_module_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = key(model())
    monkeypatch.setenv("TILEWRIGHT_SOMETHING_NEW", "1")
    in_environment = key(model())
    assert in_environment != base
    with Knob("SOMETHING_NEW", 0, "for this test").set(2):
        assert key(model()) not in (base, in_environment)


def test_dtype_and_shape_of_a_constant_count() -> None:
    zeros = np.zeros(4, "float32")
    same_bytes = [zeros, zeros.view("int32"), zeros.reshape(2, 2)]
    assert len({fingerprint(relax.const(value)) for value in same_bytes}) == 3


def test_large_constants_are_digested_to_the_last_byte() -> None:
    large = np.zeros(20 << 20, "uint8")
    before = fingerprint(relax.const(large))
    for place in (0, (8 << 20) - 1, 8 << 20, large.size - 1):
        changed = large.copy()
        changed[place] = 1
        assert fingerprint(relax.const(changed)) != before


@pytest.mark.parametrize("place", [0, 12, 70, 300, -1])
def test_a_damaged_entry_is_built_again(folder: Path, place: int) -> None:
    expected = run(tw.compile(model()))
    (entry,) = entries(folder)
    data = bytearray(entry.read_bytes())
    data[place] ^= 0x40
    entry.write_bytes(data)
    again = tw.compile(model())
    assert again.lowered is not None
    np.testing.assert_array_equal(run(again), expected)
    assert tw.compile(model()).lowered is None


@pytest.mark.parametrize("size", [0, 10, 64, 1000])
def test_a_truncated_entry_is_built_again(folder: Path, size: int) -> None:
    tw.compile(model())
    (entry,) = entries(folder)
    entry.write_bytes(entry.read_bytes()[:size])
    assert tw.compile(model()).lowered is not None


def test_an_entry_of_another_form_is_built_again() -> None:
    name = key(model())
    assert name is not None
    cache.EXECUTABLES.put(name, b"not an executable, though whole")
    assert tw.compile(model()).lowered is not None


@pytest.mark.parametrize("word", ["off", "0", "False"])
def test_the_cache_can_be_off(folder: Path, word: str) -> None:
    with CACHE.set(word):
        assert tw.compile(model()).lowered is not None
        assert key(model()) is None
    assert entries(folder) == []


def test_instruments_see_the_passes() -> None:
    tw.compile(model())
    timing = PassTimingInstrument()
    with PassContext(instruments=[timing]):
        tw.compile(model())
    assert "FuseOps" in timing.render()


def test_pipelines_of_the_users_are_not_kept(folder: Path) -> None:
    tw.compile(model(), relax_pipeline=relax.get_pipeline("default_build"))
    assert entries(folder) == []


def test_operators_of_the_users_are_not_kept() -> None:
    op = tw.ir.Op.get("relax.nn.softmax")
    register_op_attr("relax.nn.softmax", "FLegalize", lambda bb, call: call)
    try:
        assert key(model()) is None
    finally:
        op.reset_attr("FLegalize")
    assert key(model()) is not None


def _compile(where: str, results: multiprocessing.Queue) -> None:
    with CACHE.set(where):
        results.put(run(tw.compile(model())).tobytes())


def test_processes_may_compile_the_same_at_once(folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [
        context.Process(target=_compile, args=(str(folder.parent), results)) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    answers = {results.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert len(answers) == 1
    assert [len(e.name) for e in entries(folder)] == [64]
