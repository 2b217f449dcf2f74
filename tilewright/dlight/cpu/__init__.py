"""Schedules for processors, computed from shapes and the machine model."""
