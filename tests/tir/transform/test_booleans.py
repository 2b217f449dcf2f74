"""Conditions in the forms that the options of `Simplify` ask for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tilewright.tir import interpreter
from tilewright.tir import transform as T

from .cases import applied, check, func_of

HEAD = """
@T.prim_func
def main(A: T.Buffer((1,), "bool"), i: T.int32, j: T.int32, k: T.int32):
    A[0] = """
CONSTRAINED = "apply_constraints_to_boolean_branches"
CNF = "convert_boolean_to_and_of_ors"


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ((CONSTRAINED,), "i < 5 or i < 10", "i < 10"),
        ((CONSTRAINED,), "i != 0 and (i == 0 or j < 3)", "i != 0 and j < 3"),
        ((CONSTRAINED,), "i == 5 or i != 5", "T.bool(True)"),
        ((CONSTRAINED,), "i < 5 and (j < 3 or i < 9 and k < 2)", "i < 5 and (j < 3 or k < 2)"),
        ((CNF,), "(i < 5 or j == 2) and (i >= 5 or j == 2)", "j == 2"),
        ((CNF,), "i == 2 or j == 0 or i != 3", "j == 0 or i != 3"),
        ((CNF,), "(i == 0 or k == 2) and (k != 3 or i == 0)", "k == 2 or i == 0"),
        ((CNF,), "i == 5 and j == 5 or i == 5 and k == 5", "i == 5 and (j == 5 or k == 5)"),
        (
            (CNF,), "(i < 3 and j < 4) or (k < 4 and j < 3)",
            "(i < 3 or k < 4) and (i < 3 or j < 3) and j < 4",
        ),
        ((), "i == 5 and j == 5 or i == 5 and k == 5", "i == 5 and j == 5 or i == 5 and k == 5"),
        (
            (CNF, CONSTRAINED), "(i < 3 and j < 4) or (k < 4 and i < 3) or i < 2",
            "i < 3 and (j < 4 or k < 4 or i < 2)",
        ),
    ],
)  # fmt: skip
def test_conditions_in_another_form(options: tuple[str, ...], before: str, after: str) -> None:
    config = dict.fromkeys(options, True)
    check(T.Simplify(), HEAD + before, HEAD + after, Simplify=config)


def _random_condition(random: np.random.Generator, depth: int) -> str:
    if depth == 0:
        variable, sign = random.choice(list("ijk")), random.choice(["<", ">=", "==", "!="])
        return f"{variable} {sign} {random.integers(0, 3)}"
    join = random.choice(["and", "or"])
    parts = [_random_condition(random, depth - 1) for _ in range(2)]
    return f"({parts[0]} {join} {parts[1]})"


@pytest.mark.parametrize("seed", range(12))
def test_conditions_keep_their_meaning(seed: int) -> None:
    text = HEAD + _random_condition(np.random.default_rng(seed), 3)
    config = {CNF: seed % 3 != 0, CONSTRAINED: seed % 3 != 1}
    made, given = applied(T.Simplify(), text, Simplify=config), func_of(text)
    for values in itertools.product(range(-1, 4), repeat=3):
        one, other = np.zeros(1, "bool"), np.zeros(1, "bool")
        interpreter.run(given, one, *values)
        interpreter.run(made, other, *values)
        assert one[0] == other[0], values
