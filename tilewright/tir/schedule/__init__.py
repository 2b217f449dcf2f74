"""Schedules: programs transformed step by step, each step checked, recorded and repeatable."""

from ...support.errors import ScheduleError
from . import primitives as primitives
from .block_dependence_info import BlockDependenceInfo
from .flags import cached_flags
from .instruction import Instruction, InstructionKind
from .rv import BlockRV, ExprRV, LoopRV
from .schedule import Schedule, install
from .scope import BlockScope, Dependency, DepKind
from .sref import StmtSRef
from .state import CachedFlags, ScheduleDebugMask, ScheduleState
from .trace import Trace

install(Schedule)
