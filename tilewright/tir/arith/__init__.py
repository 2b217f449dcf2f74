"""Integer arithmetic: simplification, bounds, sets, and maps of iterations."""

from ...script.parser.arguments import explain_all as _explain_all
from ...support import public as _public
from . import _ffi_api
from .analyzer import Analyzer, ConstraintScope, Extension, ProofStrength, simplify
from .bound import ConstIntBound, ModularSet
from .constraints import IntConstraints, IntConstraintsTransform, IntGroupBounds
from .deduce import deduce_bound, detect_common_subexpr, domain_touched
from .int_set import (
    IntervalSet,
    IntSet,
    PresburgerSet,
    eval_set,
    neg_inf,
    pos_inf,
    union_lower_bound,
)  # fmt: skip
from .iter_expr import (
    IterMapExpr,
    IterMapLevel,
    IterMark,
    IterSplitExpr,
    IterSumExpr,
    normalize_iter_map_to_expr,
)  # fmt: skip
from .iter_inverse import inverse_affine_iter_map, subspace_divide
from .iter_map import IterMapResult, detect_iter_map, iter_map_simplify, normalize_to_iter_sum
from .linear import detect_clip_bound, detect_linear_equation
from .narrow import narrow_predicate_expression
from .region import (
    estimate_region_lower_bound,
    estimate_region_strict_bound,
    estimate_region_upper_bound,
)  # fmt: skip
from .solve_equations import solve_linear_equations
from .solve_inequalities import solve_inequalities_as_condition, solve_linear_inequalities

__all__ = [
    "Analyzer", "ConstIntBound", "ConstraintScope", "Extension", "IntConstraints",
    "IntConstraintsTransform", "IntGroupBounds", "IntSet", "IntervalSet",
    "IterMapExpr", "IterMapLevel", "IterMapResult", "IterMark", "IterSplitExpr", "IterSumExpr",
    "ModularSet", "PresburgerSet", "ProofStrength", "deduce_bound", "detect_clip_bound",
    "detect_common_subexpr",
    "detect_iter_map", "detect_linear_equation", "domain_touched", "estimate_region_lower_bound",
    "estimate_region_strict_bound", "estimate_region_upper_bound", "eval_set",
    "inverse_affine_iter_map", "iter_map_simplify", "narrow_predicate_expression",
    "neg_inf", "normalize_iter_map_to_expr",
    "normalize_to_iter_sum", "pos_inf", "simplify",
    "solve_inequalities_as_condition", "solve_linear_equations", "solve_linear_inequalities",
    "subspace_divide", "union_lower_bound",
]  # fmt: skip

_explain_all("arith", globals())
__getattr__, __dir__ = _public.lazy_attributes("tilewright.arith")
