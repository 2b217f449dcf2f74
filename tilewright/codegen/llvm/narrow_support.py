"""Conversions to and from 16-bit floats that LLVM calls where an x86-64 processor has none.

Compilers bring them in a library of their own (bfloat16 only since GCC 13), which may not be there.
All round to nearest even; a NaN stays a NaN. The bit tricks for binary16 are Fabian Giesen's.
"""

from __future__ import annotations


def narrow_ir(triple: str) -> str:
    """The definitions for x86-64; other processors convert by themselves."""
    return _TEXT if triple.startswith("x86_64") else ""


_TEXT = """
define weak float @__extendhfsf2(half %h) {
  %bits = bitcast half %h to i16
  %wide = zext i16 %bits to i32
  %magnitude = and i32 %wide, 32767
  %shifted = shl i32 %magnitude, 13
  %small = bitcast i32 %shifted to float
  %scaled = fmul float %small, 0x46F0000000000000
  %scaled.bits = bitcast float %scaled to i32
  %special = icmp ugt i32 %magnitude, 31743
  %all.ones = or i32 %scaled.bits, 2139095040
  %absolute = select i1 %special, i32 %all.ones, i32 %scaled.bits
  %sign.bit = and i32 %wide, 32768
  %sign = shl i32 %sign.bit, 16
  %result.bits = or i32 %absolute, %sign
  %result = bitcast i32 %result.bits to float
  ret float %result
}

define weak half @__truncsfhf2(float %x) {
  %bits = bitcast float %x to i32
  %u = and i32 %bits, 2147483647
  %sign = and i32 %bits, -2147483648
  ; too large, infinite or not a number
  %nan = icmp ugt i32 %u, 2139095040
  %special = select i1 %nan, i32 32256, i32 31744
  ; below the smallest normal number: an addition shifts and rounds
  %f = bitcast i32 %u to float
  %sum = fadd float %f, 5.000000e-01
  %sum.bits = bitcast float %sum to i32
  %subnormal = sub i32 %sum.bits, 1056964608
  ; normal numbers
  %odd.bit = lshr i32 %u, 13
  %odd = and i32 %odd.bit, 1
  %rebiased = add i32 %u, -939520001
  %rounded = add i32 %rebiased, %odd
  %normal = lshr i32 %rounded, 13
  %is.small = icmp ult i32 %u, 947912704
  %finite = select i1 %is.small, i32 %subnormal, i32 %normal
  %is.large = icmp uge i32 %u, 1199570944
  %absolute = select i1 %is.large, i32 %special, i32 %finite
  %sign.low = lshr i32 %sign, 16
  %all = or i32 %absolute, %sign.low
  %short = trunc i32 %all to i16
  %result = bitcast i16 %short to half
  ret half %result
}

; float32 rounded to odd, so that rounding it once more gives what rounding the double once gives
define internal float @tw.round_to_odd(double %d) alwaysinline {
  %f = fptrunc double %d to float
  %back = fpext float %f to double
  %inexact = fcmp one double %back, %d
  %bits = bitcast float %f to i32
  %odd = trunc i32 %bits to i1
  %even = xor i1 %odd, true
  %adjust = and i1 %inexact, %even
  %back.abs = call double @llvm.fabs.f64(double %back)
  %d.abs = call double @llvm.fabs.f64(double %d)
  %above = fcmp ogt double %back.abs, %d.abs
  %step = select i1 %above, i32 -1, i32 1
  %moved = add i32 %bits, %step
  %chosen = select i1 %adjust, i32 %moved, i32 %bits
  %result = bitcast i32 %chosen to float
  ret float %result
}
declare double @llvm.fabs.f64(double)

define weak half @__truncdfhf2(double %d) {
  %f = call float @tw.round_to_odd(double %d)
  %result = call half @__truncsfhf2(float %f)
  ret half %result
}

define weak bfloat @__truncsfbf2(float %x) {
  %u = bitcast float %x to i32
  %absolute = and i32 %u, 2147483647
  %nan = icmp ugt i32 %absolute, 2139095040
  %high = lshr i32 %u, 16
  %odd = and i32 %high, 1
  %bias = add i32 %odd, 32767
  %sum = add i32 %u, %bias
  %rounded = lshr i32 %sum, 16
  %quiet = or i32 %high, 64
  %chosen = select i1 %nan, i32 %quiet, i32 %rounded
  %short = trunc i32 %chosen to i16
  %result = bitcast i16 %short to bfloat
  ret bfloat %result
}

define weak bfloat @__truncdfbf2(double %d) {
  %f = call float @tw.round_to_odd(double %d)
  %result = call bfloat @__truncsfbf2(float %f)
  ret bfloat %result
}
"""
