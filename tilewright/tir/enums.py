"""Kinds of axes, and of what calls do."""

from __future__ import annotations

from enum import IntEnum


class CallEffectKind(IntEnum):
    """What a call may do besides giving its value, in rising order."""

    ExprAnnotation = 0
    Pure = 1
    ReadState = 2
    UpdateState = 3
    SpecialCallArg = 4
    EmbedInfo = 5
    ControlJump = 6


class IterVarType(IntEnum):
    """How an iteration may run: see `IterVar`."""

    DataPar = 0
    ThreadIndex = 1
    CommReduce = 2
    Ordered = 3
    Opaque = 4
    Unrolled = 5
    Vectorized = 6
    Parallelized = 7
    Tensorized = 8
