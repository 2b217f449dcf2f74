"""Each mistake in script has a message of its own: `mistakes/` tells the whole text of each."""

from pathlib import Path

import pytest

from tilewright.script import from_source
from tilewright.support.errors import DiagnosticError

FILES = sorted((Path(__file__).parent / "mistakes").glob("*.txt"))
CASES = [
    tuple(case.split("\n----\n"))
    for file in FILES
    for case in file.read_text(encoding="utf-8").rstrip("\n").split("\n====\n")
]


@pytest.mark.parametrize(("text", "message"), CASES)
def test_the_whole_message(text: str, message: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        from_source(text, name="model.py")
    assert str(caught.value) == message


@pytest.mark.parametrize(("text", "message"), CASES)
def test_a_message_has_a_place_and_a_way_out(text: str, message: str) -> None:
    assert "  hint: " in message
    assert "^" in message or "defines no function" in message
