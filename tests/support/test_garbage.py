"""The collector is held back inside, and is as the user had it afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tilewright.support.garbage import PAUSE, rare_collections


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_collections_are_rarer_inside_only() -> None:
    gc.set_threshold(600, 7, 8)
    with rare_collections():
        assert gc.get_threshold() == (PAUSE, 7, 8)
    assert gc.get_threshold() == (600, 7, 8)


def test_the_last_to_leave_restores() -> None:
    gc.set_threshold(600, 7, 8)
    first, second = rare_collections(), rare_collections()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold()[0] == PAUSE
    second.__exit__(None, None, None)
    assert gc.get_threshold() == (600, 7, 8)


def test_an_error_restores() -> None:
    gc.set_threshold(600, 7, 8)
    with pytest.raises(KeyError), rare_collections():
        raise KeyError
    assert gc.get_threshold() == (600, 7, 8)


@pytest.mark.parametrize("chosen", [0, 10 * PAUSE])
def test_what_collects_less_already_stays(chosen: int) -> None:
    gc.set_threshold(chosen, 7, 8)
    with rare_collections():
        assert gc.get_threshold() == (chosen, 7, 8)
