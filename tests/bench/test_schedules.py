"""Random sequences of primitives, a few of them; `python -m bench.schedules` runs thousands."""

import random

import pytest
from click.testing import CliRunner

from bench.schedules import trial
from bench.schedules.__main__ import main
from bench.schedules.steps import PRIMITIVES, STEPS, Broken, Draw, Unsuitable
from bench.schedules.trial import PROGRAMS
from tilewright.tir.schedule import Schedule, ScheduleError


def test_random_sequences_keep_all_promises() -> None:
    names = random.Random(7).sample(list(PROGRAMS), 8)
    for seed, name in enumerate(names):
        outcome = trial.run(name, 7000 + seed, steps=8)
        assert outcome.failure is None, outcome.failure


def test_the_corpus_is_broad() -> None:
    assert len(PROGRAMS) >= 50
    assert {kind.method for kind in PRIMITIVES} <= {name for name, _ in STEPS}


def test_every_step_can_be_drawn() -> None:
    rng = random.Random(0)
    bench = trial.bench_of("matmul_bias_relu")
    for _, take in STEPS:
        sch = Schedule(bench.func, seed=0, error_render_level="none")
        try:
            take(Draw(sch, rng))
            assert sch.trace.insts
        except (ScheduleError, Unsuitable):
            pass


def test_another_result_is_found_and_reduced() -> None:
    bench = trial.bench_of("gemv")
    sch = bench.schedule(0)
    i, _ = sch.get_loops("y")
    sch.annotate("y", "note", 1)
    outer, _ = sch.split(i, [None, 4])
    sch.unroll(outer)
    before, bench.wanted = bench.wanted, [a + 1 for a in bench.wanted]
    try:
        with pytest.raises(Broken, match="another result"):
            bench.check(sch)
        short = trial.reduced(bench, sch.trace, "another result")
        assert short.insts == []
    finally:
        bench.wanted = before
    bench.check(sch)


def test_the_command_shows_a_table(tmp_path) -> None:
    output = tmp_path / "counts.json"
    options = ["-n", "1", "--steps", "2", "--programs", "gemv", "--workers", "1"]
    done = CliRunner().invoke(main, [*options, "--json", str(output)])
    assert done.exit_code == 0, done.output
    assert "1 sequences over 1 programs" in done.output
    assert '"sequences": 1' in output.read_text()


def test_the_command_refuses_unknown_programs() -> None:
    done = CliRunner().invoke(main, ["--programs", "nope"])
    assert done.exit_code == 2 and "'nope' is none of matmul" in done.output
