"""Integer arithmetic: simplification, bounds, sets, and maps of iterations."""

from .analyzer import Analyzer, ConstraintScope, Extension, ProofStrength, simplify
from .bound import ConstIntBound, ModularSet
from .int_set import IntervalSet, IntSet, eval_set, neg_inf, pos_inf, union_lower_bound
