"""Schedules for processors, computed from shapes and the machine model.

`default_rules()` are tried in order; `Fallback`, the last, always succeeds.
"""

from ..base import ScheduleRule
from .attention import Attention
from .contraction import Contractions
from .fallback import Fallback
from .rows import Rows
from .winograd import Winograd


def default_rules() -> list[ScheduleRule]:
    """The rules for processors, the most special first."""
    return [Winograd(), Attention(), Contractions(), Rows(), Fallback()]
