"""The exact remainder of floats, as code of our own: nothing is needed from a C library.

LLVM would call `fmod`, which a wasm module does not have and which a kernel of that name would be.
"""

from __future__ import annotations

from string import Template

from .builder import Value, element_of, lane_numbers, lanes_of, vector
from .emitter import FunctionEmitter, function_attributes

SYMBOL = "math.fmod.f64"
# Long division in binary: the mantissas as integers, one bit of the quotient a step.
_DEFINITION = Template("""\
define internal double @math.fmod.f64(double %x, double %y) $group {
entry:
  %bx = bitcast double %x to i64
  %by = bitcast double %y to i64
  %ux = and i64 %bx, $absolute
  %uy = and i64 %by, $absolute
  %sign = and i64 %bx, $sign
  %zero = icmp eq i64 %uy, 0
  %ynan = icmp ugt i64 %uy, $infinity
  %xbad = icmp uge i64 %ux, $infinity
  %bad0 = or i1 %zero, %ynan
  %bad = or i1 %bad0, %xbad
  br i1 %bad, label %undefined, label %defined
undefined:
  ret double 0x7FF8000000000000
defined:
  %less = icmp ult i64 %ux, %uy
  br i1 %less, label %itself, label %divide
itself:
  ret double %x
divide:
$unpack_x
$unpack_y
  br label %loop
loop:
  %e = phi i64 [%ex, %divide], [%e1, %next]
  %m = phi i64 [%mx, %divide], [%m2, %next]
  %d = sub i64 %m, %my
  %neg = icmp slt i64 %d, 0
  %m1 = select i1 %neg, i64 %m, i64 %d
  %more = icmp sgt i64 %e, %ey
  br i1 %more, label %next, label %pack
next:
  %m2 = shl i64 %m1, 1
  %e1 = sub i64 %e, 1
  br label %loop
pack:
  %none = icmp eq i64 %m1, 0
  %lead = call i64 @llvm.ctlz.i64(i64 %m1, i1 false)
  %up = sub i64 %lead, 11
  %up0 = select i1 %none, i64 0, i64 %up
  %mn = shl i64 %m1, %up0
  %en = sub i64 %e, %up0
  %normal = icmp sgt i64 %en, 0
  %frac = and i64 %mn, $fraction
  %expo = shl i64 %en, 52
  %big = or i64 %frac, %expo
  %by0 = sub i64 1, %en
  %by1 = select i1 %normal, i64 0, i64 %by0
  %small = lshr i64 %mn, %by1
  %size0 = select i1 %normal, i64 %big, i64 %small
  %size = select i1 %none, i64 0, i64 %size0
  %bits = or i64 %size, %sign
  %out = bitcast i64 %bits to double
  ret double %out
}
""")
_UNPACK = Template("""\
  %e0$v = lshr i64 %u$v, 52
  %sub$v = icmp eq i64 %e0$v, 0
  %lead$v = call i64 @llvm.ctlz.i64(i64 %u$v, i1 false)
  %shift$v = sub i64 %lead$v, 11
  %msub$v = shl i64 %u$v, %shift$v
  %esub$v = sub i64 1, %shift$v
  %frac$v = and i64 %u$v, $fraction
  %mnorm$v = or i64 %frac$v, $implicit
  %m$v = select i1 %sub$v, i64 %msub$v, i64 %mnorm$v
  %e$v = select i1 %sub$v, i64 %esub$v, i64 %e0$v""")
_NUMBERS = {
    "absolute": (1 << 63) - 1,
    "sign": -(1 << 63),
    "infinity": 0x7FF << 52,
    "fraction": (1 << 52) - 1,
    "implicit": 1 << 52,
}


def remainder(e: FunctionEmitter, a: Value, b: Value) -> Value:
    """C's `fmod`, lane by lane; that of narrower floats is exact in float64."""
    _define(e)
    count, element = lanes_of(a.type), element_of(a.type)
    wide = vector("double", count)
    x, y = (e.b.cast("fpext", v, wide) for v in (a, b))
    if count == 1:
        return e.b.cast("fptrunc", _one(e, x, y), element)
    items = [_one(e, e.b.extract(x, n), e.b.extract(y, n)) for n in lane_numbers(count)]
    return e.b.cast("fptrunc", e.b.gather_lanes(items), a.type)


def _one(e: FunctionEmitter, x: Value, y: Value) -> Value:
    return e.b.emit("double", f"call double @{SYMBOL}({x}, {y})")


def _define(e: FunctionEmitter) -> None:
    module = e.context.module
    if SYMBOL not in module.functions:
        group = module.attribute_group(function_attributes(e.context.features))
        unpack = {f"unpack_{v}": _UNPACK.substitute(_NUMBERS, v=v) for v in "xy"}
        module.functions[SYMBOL] = _DEFINITION.substitute(_NUMBERS, **unpack, group=group)
        module.declare("llvm.ctlz.i64", "i64", ["i64", "i1"])
