"""The compiler's figures: verdicts, tables, and that what is measured does what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.compiler import programs
from bench.compiler.__main__ import COLUMNS, cells, main
from bench.compiler.measuring import GROUPS, Effort, Figure
from bench.compiler.primitives import PRIMITIVES
from bench.summary import markdown
from tilewright.codegen.llvm.modules import functions_of
from tilewright.ir import structural_equal
from tilewright.tir.schedule import Schedule


def test_a_verdict_says_how_far_a_budget_is_missed() -> None:
    kept, missed = Figure("g", "a", 2.0, "us", 2.0), Figure("g", "b", 3.0, "us", 2.0)
    assert (kept.kept, kept.verdict) == (True, "kept")
    assert (missed.kept, missed.verdict) == (False, "missed, 1.5 times")


def test_the_markdown_table() -> None:
    row = cells(Figure("node", "read", 0.01234, "us", 0.04, 100))
    lines = markdown(COLUMNS, [row]).splitlines()
    assert lines[0] == "| group | figure | of | value | budget | verdict |"
    assert lines[2] == "| node | read | 100 | 0.0123 us | 0.04 us | kept |"


@pytest.mark.parametrize("name", PRIMITIVES)
def test_each_primitive_applies(name: str) -> None:
    program, prepare = PRIMITIVES[name]
    sch = Schedule(functions_of(programs.corpus())[program], debug_mask="all")
    prepare(sch)()
    assert sch.trace is not None and sch.trace.insts[-1].kind.name.lower() == name.replace("_", "")


def test_random_schedules_give_other_indices() -> None:
    plain, random = programs.corpus(), programs.wandering_corpus()
    changed = [
        name
        for name, func in functions_of(random).items()
        if not structural_equal(func.body, functions_of(plain)[name].body)
    ]
    assert len(changed) > len(PRIMITIVES) / 2
    loops, exprs = programs.indices(random)[0]
    assert loops and programs.nodes(*exprs) >= len(exprs) > 0


def test_distinct_kernels_are_distinct() -> None:
    first, second = functions_of(programs.distinct_kernels(2)).values()
    assert not structural_equal(first.body, second.body)


def test_the_command_writes_its_figures(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = CliRunner().invoke(main, ["--groups", "schedule", "--repeat", "1", "--json", str(file)])
    assert done.exit_code in (0, 1), done.output  # a busy machine may miss a budget
    figures = json.loads(file.read_text())["figures"]
    assert [f["name"] for f in figures] == list(PRIMITIVES)
    assert all(f["value"] > 0 for f in figures)


def test_unknown_groups_are_refused() -> None:
    done = CliRunner().invoke(main, ["--groups", "nodes"])
    assert done.exit_code == 2
    assert "is none of node, structure" in done.output


def test_each_group_names_its_figures_after_itself() -> None:
    figures = list(GROUPS["node"](Effort(repeat=1)))
    assert {f.group for f in figures} == {"node"}
