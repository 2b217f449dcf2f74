"""Branch-free elementary functions, written once over `Ops` and expanded by every code generator.

`FUNCTIONS` maps a name (`exp`) to its float32 and float64 expansions and their measured errors.
"""

from .ops import Format, Number, Ops
from .table import FUNCTIONS, MathFunction

__all__ = ["FUNCTIONS", "Format", "MathFunction", "Number", "Ops"]
