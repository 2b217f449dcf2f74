"""Looking up blocks by name."""

from __future__ import annotations

from ....support.errors import listing
from ..instruction import Block, primitive
from ..refusal import refuse
from ..state import ScheduleState


@primitive(pure=True)
def get_block(state: ScheduleState, name: str, func_name: str | None = None) -> Block:
    """The one block called `name` in the function (default: the one worked on, or the only one)."""
    root = state.roots[str(func_name)]
    found = state.blocks(name, root)
    if len(found) == 1:
        return found[0]
    if found:
        refuse(f"{len(found)} blocks are called {name!r}", *found)
    names = [s.block.name_hint for s in state.walk(root) if s.is_block]
    refuse(f"no block is called {name!r}; there are {listing(names)}")
