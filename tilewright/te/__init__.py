"""Tensor expressions: tensors defined by one formula an element, and loop programs from them."""

from ..tir.op import (
    abs, acos, acosh, all, any, asin, asinh, atan, atan2, atanh, ceil, ceildiv, clz, copysign, cos,
    cosh, div, erf, exp, exp2, exp10, expm1, floor, floordiv, floormod, fma, fmod, hypot,
    if_then_else, indexdiv, indexmod, infinity, isfinite, isinf, isnan, likely, log, log1p, log2,
    log10, logical_and, logical_not, logical_or, max_value, min_value, nearbyint, nextafter,
    popcount, power, reinterpret, round, rsqrt, select, sigmoid, sin, sinh, sqrt, tan, tanh, trunc,
    truncdiv, truncmod,
)  # fmt: skip
from .create_primfunc import create_prim_func
from .operation import (
    compute,
    const,
    extern,
    extern_primfunc,
    placeholder,
    reduce_axis,
    scan,
    size_var,
    thread_axis,
    var,
)
from .reducer import comm_reducer, max, min, prod, sum
from .tag import tag_scope
from .tensor import ComputeOp, ExternOp, Operation, PlaceholderOp, ScanOp, Tensor, TensorSlice

pow = power
AXIS_SEPARATOR = "axis_separator"
