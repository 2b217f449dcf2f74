"""Random schedules: do primitives keep what programs compute? `python -m bench.schedules`."""
