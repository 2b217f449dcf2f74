"""`type_checked`: arguments against annotations."""

from collections.abc import Callable
from typing import Any, Literal, Optional, Union

import pytest

from tilewright.support.errors import ArgumentTypeError
from tilewright.tir.schedule._type_checker import type_checked

ROWS = [
    (int, [5, -5], ["5", 5.0, None, True]),
    (float, [0.5, 2], ["0.5", None]),
    (bool, [True], [1, "True"]),
    (str, ["a"], [1, b"a"]),
    (list[int], [[], [1, 2]], ["12", [1, "2"], 3]),
    (tuple[str, int], [("a", 1)], [("a", "b"), ("a",), ["a", 1]]),
    (tuple[int, ...], [(), (1, 2)], [(1, "2")]),
    (dict[str, int], [{}, {"a": 1}], [{"a": "b"}, {1: 1}, []]),
    (Optional[int], [None, 1], ["1"]),  # noqa: UP045
    (Union[int, str], [1, "a"], [1.5, None]),  # noqa: UP007
    (list[int | None], [[1, None]], [["a"]]),
    (Callable[..., int], [len], ["len"]),
    (Literal["a", "b"], ["a"], ["c"]),
    (Any, [1, None, "x"], []),
]  # fmt: skip


@pytest.mark.parametrize(("hint", "good", "bad"), ROWS, ids=lambda v: str(v)[:30])
def test_types(hint: Any, good: list[Any], bad: list[Any]) -> None:
    def function(value: hint) -> None: ...

    function.__annotations__ = {"value": hint}
    checked = type_checked(function)
    for value in good:
        checked(value)
    for value in bad:
        with pytest.raises(TypeError):
            checked(value)


def test_the_message_names_function_argument_and_types() -> None:
    @type_checked
    def tile(loop: str, factors: list[int]) -> None: ...

    with pytest.raises(ArgumentTypeError) as error:
        tile("i", [1, "2"])
    assert error.value.message.endswith("tile: argument `factors`: expected list[int], found list")


def test_variadic_arguments_are_checked_one_by_one() -> None:
    @type_checked
    def fuse(*loops: int, **options: bool) -> int:
        return len(loops)

    assert fuse(1, 2, keep=True) == 2
    with pytest.raises(TypeError, match="argument `loops`"):
        fuse(1, "2")
    with pytest.raises(TypeError, match="argument `options`"):
        fuse(1, keep=1)
