"""The pytest plugin: parameters that vary together, targets, and marks for what tests need.

`pytest_plugins = ["tvm.testing.plugin"]` in a `conftest.py`, or `-p tilewright.testing.plugin`.
"""

from __future__ import annotations

from typing import Any

import pytest

from tilewright.target import Target

from .features import Feature, target_marks, target_param
from .targets import EXCLUDED, FAILING, GROUP, chosen_targets, device_of, kind_of


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marks known."""
    for feature in Feature.all_features.values():
        config.addinivalue_line("markers", f"{feature.name}: needs {feature.long_name}")
    config.addinivalue_line("markers", f"{EXCLUDED}: targets that a test does not run on")
    config.addinivalue_line("markers", f"{FAILING}: targets that a test is expected to fail on")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives tests their correlated parameters, and their targets."""
    _correlated(metafunc)
    _targets(metafunc)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test by what its target needs, however it was given its targets, and as expected
    to fail where that is known."""
    for item in items:
        target = getattr(getattr(item, "callspec", None), "params", {}).get("target")
        if not _is_target(target):
            continue
        known = list(item.iter_markers())
        for decorator in target_marks(target):
            if decorator.mark not in known:
                item.add_marker(decorator)
        if kind_of(target) in _kinds(item, FAILING):
            item.add_marker(pytest.mark.xfail(reason=f"is known to fail on {target}"))


def _is_target(value: Any) -> bool:
    """Whether a parameter called `target` is one that code is compiled for."""
    if isinstance(value, Target):
        return True
    words = value.split() if isinstance(value, str) else []
    return bool(words) and words[0] in Target.list_kinds()


@pytest.fixture
def dev(target: Any) -> Any:
    """The device of `target`."""
    return device_of(target)


def _target_to_requirement(target: Any) -> list[Any]:
    """The marks of a test that runs on `target`."""
    return target_marks(target)


def _correlated(metafunc: pytest.Metafunc) -> None:
    groups: dict[int, dict[str, Any]] = {}
    chosen_ids: dict[int, Any] = {}
    definitions = metafunc._arg2fixturedefs
    for name in metafunc.fixturenames:
        for definition in definitions.get(name, ())[-1:]:
            group = getattr(_plain(definition.func), GROUP, None)
            if group is not None:
                groups.setdefault(group[0], {})[name] = group[1]
                chosen_ids[group[0]] = group[2]
    for number, columns in groups.items():
        rows = list(zip(*columns.values(), strict=True))
        metafunc.parametrize(list(columns), rows, indirect=True, ids=chosen_ids[number])


def _plain(function: Any) -> Any:
    """The function below bound methods and wrappers."""
    function = getattr(function, "__func__", function)
    return getattr(function, "__wrapped__", function)


def _targets(metafunc: pytest.Metafunc) -> None:
    """A test that takes `target` and says nothing runs on each of the chosen targets."""
    if "target" not in metafunc.fixturenames or metafunc._arg2fixturedefs.get("target"):
        return
    given = metafunc.definition.iter_markers("parametrize")
    if any("target" in _names(mark.args[0]) for mark in given if mark.args):
        return
    excluded = _kinds(metafunc.definition, EXCLUDED)
    targets = [t for t in chosen_targets() if kind_of(t) not in excluded]
    metafunc.parametrize("target", [target_param(t) for t in targets])


def _names(given: Any) -> list[str]:
    return [n.strip() for n in given.split(",")] if isinstance(given, str) else list(given)


def _kinds(test: pytest.Item, mark: str) -> set[str]:
    return {kind_of(t) for m in test.iter_markers(mark) for t in m.args}
