"""The primitive `sample_categorical`."""

from __future__ import annotations

import random
from typing import Any

from ....ir.expr import IntImm
from ..instruction import Expr, primitive
from ..refusal import refuse
from ..sampling import as_int
from ..state import ScheduleState


@primitive(sampling=True)
def sample_categorical(
    state: ScheduleState,
    candidates: list[int],
    probs: list[float],
    *,
    rand: random.Random,
    decision: Any = None,
) -> Expr:
    """One of `candidates`, chosen with the probabilities `probs`; `decision` is its place."""
    if len(candidates) != len(probs) or not candidates:
        refuse(f"{len(candidates)} candidates but {len(probs)} probabilities")
    if any(p < 0 for p in probs) or not any(probs):
        refuse(f"the probabilities {list(probs)} are not at least 0, one of them more")
    if decision is None:
        place = rand.choices(range(len(candidates)), [float(p) for p in probs])[0]
    else:
        place = as_int(decision)
        if not 0 <= place < len(candidates):
            refuse(f"the decision {place} is not the place of one of {len(candidates)} candidates")
    return candidates[place], IntImm("int32", place)
