"""Default schedules: rules that schedule every loop program without a search."""

from . import cpu
from .analysis import BlockInfo, IterInfo, normalize_prim_func
from .base import ApplyDefaultSchedule, ScheduleRule
