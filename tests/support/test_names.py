"""Names of TVM's API: the table, what resolves, and the share that does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tilewright.support.errors import ArgumentError
from tilewright.support.names import coverage, read_table, share

CORE = ["T", "tir", "te", "topi", "tvm.arith", "sch", "ana"]


def written(folder: Path) -> Path:
    path = folder / "names.md"
    path.write_text(
        "# Names\n\n| a | b |\n\n## te = tvm.te\n\n.compute 10/2, .nonsense 30/1,\n.var 60/3\n\n"
        "# Methods\n\n## sch (s, sch)\n\n.split 4/1, .no_such_primitive 1/1\n\n# Rest\n\n"
        ".split 9/9\n"
    )
    return path


def test_the_table_that_comes_along_is_whole() -> None:
    table = read_table()
    assert table["T"][0] == "tvm.script.tir" and len(table) == 41
    assert sum(entry.uses for entry in table["T"][1]) > 67_000


def test_uses_are_weighed_and_what_is_missing_is_named(tmp_path: Path) -> None:
    te, sch = coverage(path=written(tmp_path))
    assert (te.alias, te.names, te.uses, te.covered) == ("te", 3, 100, 70)
    assert [(entry.name, entry.uses) for entry in te.missing] == [("nonsense", 30)]
    assert sch.share == 80.0
    assert share([te, sch]) == pytest.approx(100 * 74 / 105)


def test_an_unknown_alias_and_another_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="the table has no alias nothing"):
        coverage(["nothing"])
    (tmp_path / "other.md").write_text("nothing here")
    with pytest.raises(ArgumentError, match="is no table of names"):
        coverage(path=tmp_path / "other.md")


def test_the_core_of_the_api_resolves() -> None:
    assert share(coverage(CORE)) > 97.0


@pytest.mark.parametrize(("alias", "least"), [("T", 99.0), ("te", 100.0), ("tvm.testing", 99.8)])
def test_an_alias_resolves(alias: str, least: float) -> None:
    (row,) = coverage([alias])
    assert row.share >= least, row.missing
