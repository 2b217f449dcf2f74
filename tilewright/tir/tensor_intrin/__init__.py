"""Instructions of hardware for `Schedule.tensorize`: what they compute and how they are called.

Those of the families (`x86`, `arm_cpu`, ...) are known by name; their functions are made when
they are first asked for.
"""

from .intrin import FAMILIES, TensorIntrin

__all__ = ["FAMILIES", "TensorIntrin"]
