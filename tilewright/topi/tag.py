"""Tags: what kind of computation an operation of topi is."""

ELEMWISE = "elemwise"
BROADCAST = "broadcast"
INJECTIVE = "injective"
COMM_REDUCE = "comm_reduce"
COMM_REDUCE_IDX = "comm_reduce_idx"


def is_broadcast(tag: str) -> bool:
    """True if each output element needs one element of each input at most, up to broadcasting."""
    return tag in (ELEMWISE, BROADCAST)


def is_injective(tag: str) -> bool:
    """True if each output element needs one element of each input."""
    return tag in (ELEMWISE, BROADCAST, INJECTIVE)
