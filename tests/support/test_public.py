"""Public paths resolve lazily to where names live, under TVM's names too."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import tilewright
from tilewright.support import errors, public


def test_a_name_of_the_table_resolves() -> None:
    assert tilewright.TVMError is errors.TVMError


def test_a_public_module_is_the_real_module() -> None:
    module = importlib.import_module("tilewright.error")
    assert module is errors
    assert module.__name__ == module.__spec__.name == "tilewright.support.errors"
    assert tilewright.error is errors


def test_modules_below_a_public_module_are_the_real_ones() -> None:
    real = importlib.import_module("tilewright.tir.arith.analyzer")
    assert importlib.import_module("tilewright.arith.analyzer") is real


@pytest.mark.parametrize("name", sorted(public.NAMES))
def test_the_table_names_what_is_there(name: str) -> None:
    module, _, attribute = public.NAMES[name].partition(":")
    found = importlib.import_module(f"tilewright.{module}")
    if not [n for n in vars(found) if not n.startswith("__")]:
        pytest.skip(f"{module} is empty")
    value = tilewright
    for part in name.split("."):
        value = getattr(value, part)
    assert value is getattr(found, attribute)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("arith.iter_affine_map", "detect_iter_map"),
        ("arith.iter_affine_map", "IterSumExpr"),
        ("arith.int_solver", "solve_linear_equations"),
        ("arith.pattern", "detect_clip_bound"),
        ("tir.schedule.block_scope", "StmtSRef"),
        ("tir.schedule.block_scope", "DepKind"),
        ("script.relax", "device"),
    ],
)
def test_modules_of_other_names_hold_their_names(path: str, name: str) -> None:
    module = importlib.import_module(f"tilewright.{path}")
    value = tilewright
    for part in path.split("."):
        value = getattr(value, part)
    assert value is module
    assert hasattr(module, name)


def test_a_missing_name_is_a_plain_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tilewright' has no attribute 'nonsense'"):
        _ = tilewright.nonsense


def test_a_name_whose_layer_is_missing_is_an_attribute_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(public.NAMES, "later", "no_such_layer:later")
    with pytest.raises(AttributeError, match="no attribute 'later'"):
        _ = tilewright.later


def test_a_failure_inside_a_module_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_layer.py").write_text("import no_such_library\n")
    monkeypatch.setattr(tilewright, "__path__", [*tilewright.__path__, str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        _ = tilewright.broken_layer


def test_dir_lists_public_names() -> None:
    assert {"IRModule", "arith", "compile", "relax", "tir", "__version__"} <= set(dir(tilewright))
    assert "relax.frontend" not in dir(tilewright)


def test_programs_written_for_tvm_find_the_same_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tvm", tilewright)
    for name in ("tvm.support.errors", "tvm.error"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        assert importlib.import_module(name) is errors


def test_unrelated_modules_are_not_ours() -> None:
    assert public.real_name("numpy.random") is None
    assert public.real_name("tilewright.tir.expr") is None
    assert public.real_name("tilewright.arith.analyzer") == "tilewright.tir.arith.analyzer"
