"""Functions that TVM's scripts reach as `tvm.arith._ffi_api.X`, under the names they use there."""

from __future__ import annotations

from .deduce import domain_touched as DomainTouched
from .narrow import narrow_predicate_expression as NarrowPredicateExpression
from .solve_inequalities import solve_inequalities_as_condition as SolveInequalitiesAsCondition

__all__ = ["DomainTouched", "NarrowPredicateExpression", "SolveInequalitiesAsCondition"]
