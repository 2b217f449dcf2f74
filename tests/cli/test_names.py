"""`tilewright names`."""

from __future__ import annotations

import json

from click.testing import CliRunner

from tilewright.cli.main import main


def test_the_command_lists_what_is_missing() -> None:
    done = CliRunner().invoke(main, ["names", "-a", "te", "-a", "ana", "--json"])
    assert done.exit_code == 0
    made = json.loads(done.output)
    assert [row["alias"] for row in made["aliases"]] == ["te", "ana"]
    assert made["share"] > 97
    for row in made["aliases"]:
        assert sum(entry["uses"] for entry in row["missing"]) <= row["uses"]


def test_too_small_a_share_is_a_failure() -> None:
    runner = CliRunner()
    assert runner.invoke(main, ["names", "-a", "te", "--least", "99"]).exit_code == 0
    done = runner.invoke(main, ["names", "-a", "te", "--least", "100.1"])
    assert done.exit_code == 1
    assert "% of 1986 uses resolve" in done.output


def test_an_alias_that_is_not_there_is_an_error() -> None:
    done = CliRunner().invoke(main, ["names", "-a", "nothing"])
    assert done.exit_code == 1 and "the table has no alias nothing" in done.output
