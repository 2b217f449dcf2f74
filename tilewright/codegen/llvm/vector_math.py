"""The operations of `codegen.math` as LLVM instructions on scalars or explicit vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..math.ops import F32, F64, Scalar, scale_by_halves
from .builder import (
    FunctionBuilder,
    Value,
    constant,
    element_of,
    lane_numbers,
    lanes_of,
    mangled,
    vector,
)

_FORMATS = {"float": F32, "double": F64}
_INTEGERS = {"float": "i32", "double": "i64"}
_OPCODES = {
    "add": ("add", "fadd"),
    "sub": ("sub", "fsub"),
    "mul": ("mul", "fmul"),
    "div": ("sdiv", "fdiv"),
    "lt": ("icmp slt", "fcmp olt"),
    "le": ("icmp sle", "fcmp ole"),
    "gt": ("icmp sgt", "fcmp ogt"),
    "ge": ("icmp sge", "fcmp oge"),
    "eq": ("icmp eq", "fcmp oeq"),
}
_COMPARISONS = {"lt", "le", "gt", "ge", "eq"}


class Num:
    """A value with operators; instructions go to the builder of its `LlvmMath`."""

    __slots__ = ("b", "value")

    def __init__(self, b: FunctionBuilder, value: Value) -> None:
        self.b = b
        self.value = value

    def _lift(self, other: Num | Scalar) -> Value:
        return other.value if isinstance(other, Num) else constant(self.value.type, other)

    def _apply(self, name: str, left: Value, right: Value) -> Num:
        floating = element_of(left.type) in _FORMATS
        out = self.b.binary(_OPCODES[name][floating], left, right)
        if name in _COMPARISONS:
            out = Value(vector("i1", lanes_of(left.type)), out.ref)
        return Num(self.b, out)

    def __add__(self, other: Num | Scalar) -> Num:
        return self._apply("add", self.value, self._lift(other))

    def __radd__(self, other: Scalar) -> Num:
        return self._apply("add", self._lift(other), self.value)

    def __sub__(self, other: Num | Scalar) -> Num:
        return self._apply("sub", self.value, self._lift(other))

    def __rsub__(self, other: Scalar) -> Num:
        return self._apply("sub", self._lift(other), self.value)

    def __mul__(self, other: Num | Scalar) -> Num:
        return self._apply("mul", self.value, self._lift(other))

    def __rmul__(self, other: Scalar) -> Num:
        return self._apply("mul", self._lift(other), self.value)

    def __truediv__(self, other: Num | Scalar) -> Num:
        return self._apply("div", self.value, self._lift(other))

    def __rtruediv__(self, other: Scalar) -> Num:
        return self._apply("div", self._lift(other), self.value)

    def __neg__(self) -> Num:
        type = self.value.type
        if element_of(type) in _FORMATS:
            return Num(self.b, self.b.emit(type, f"fneg {self.value}"))
        return self._apply("sub", constant(type, 0), self.value)

    def __lt__(self, other: Num | Scalar) -> Num:
        return self._apply("lt", self.value, self._lift(other))

    def __le__(self, other: Num | Scalar) -> Num:
        return self._apply("le", self.value, self._lift(other))

    def __gt__(self, other: Num | Scalar) -> Num:
        return self._apply("gt", self.value, self._lift(other))

    def __ge__(self, other: Num | Scalar) -> Num:
        return self._apply("ge", self.value, self._lift(other))

    def _bitwise(self, opcode: str, other: Num | int) -> Num:
        return Num(self.b, self.b.binary(opcode, self.value, self._lift(other)))

    def __and__(self, other: Num | int) -> Num:
        return self._bitwise("and", other)

    def __or__(self, other: Num | int) -> Num:
        return self._bitwise("or", other)

    def __lshift__(self, other: int) -> Num:
        return self._bitwise("shl", other)

    def __rshift__(self, other: int) -> Num:
        return self._bitwise("ashr", other)


class LlvmMath:
    """`math.Ops` for values of type `type` (float or double, or a vector of them)."""

    def __init__(
        self, b: FunctionBuilder, type: str, *, has_fma: bool = True, has_scalef: bool = False
    ) -> None:
        self.b = b
        self.type = type
        self.element = element_of(type)
        self.lanes = lanes_of(type)
        self.integer = vector(_INTEGERS[self.element], self.lanes)
        self.format = _FORMATS[self.element]
        self.has_fma = has_fma
        self.has_scalef = has_scalef

    def wrap(self, value: Value) -> Num:
        """A value with operators."""
        return Num(self.b, value)

    def _lift(self, value: Num | Scalar, type: str) -> Value:
        return value.value if isinstance(value, Num) else constant(type, value)

    def const(self, value: float) -> Num:
        return Num(self.b, constant(self.type, value))

    def mad(self, a: Num, b: Num | float, c: Num | float) -> Num:
        args = [a.value, self._lift(b, self.type), self._lift(c, self.type)]
        return Num(self.b, self.b.overloaded("fma" if self.has_fma else "fmuladd", args))

    def fma(self, a: Num, b: Num, c: Num) -> Num:
        return Num(self.b, self.b.overloaded("fma", [a.value, b.value, c.value]))

    def sqrt(self, x: Num) -> Num:
        return Num(self.b, self.b.overloaded("sqrt", [x.value]))

    def abs(self, x: Num) -> Num:
        return Num(self.b, self.b.overloaded("fabs", [x.value]))

    def copysign(self, x: Num, sign: Num) -> Num:
        return Num(self.b, self.b.overloaded("copysign", [x.value, sign.value]))

    def eq(self, a: Num, b: Num | Scalar) -> Num:
        return a._apply("eq", a.value, a._lift(b))

    def not_(self, condition: Num) -> Num:
        type = condition.value.type
        return Num(self.b, self.b.binary("xor", condition.value, constant(type, True)))

    def select(self, condition: Num, a: Num | Scalar, b: Num | Scalar) -> Num:
        type = (a if isinstance(a, Num) else b).value.type  # type: ignore[union-attr]
        x, y = self._lift(a, type), self._lift(b, type)
        return Num(self.b, self.b.select(condition.value, x, y))

    def bits(self, x: Num) -> Num:
        return Num(self.b, self.b.cast("bitcast", x.value, self.integer))

    def from_bits(self, i: Num) -> Num:
        return Num(self.b, self.b.cast("bitcast", i.value, self.type))

    def to_float(self, i: Num) -> Num:
        return Num(self.b, self.b.cast("sitofp", i.value, self.type))

    def scale(self, x: Num, n: Num) -> Num:
        whole = 16 if self.element == "float" else 8
        if not self.has_scalef or self.lanes % whole or self.lanes & (self.lanes - 1):
            return scale_by_halves(self, x, n)
        parts = [
            self._scalef(self._part(x.value, first, whole), self._part(n.value, first, whole))
            for first in range(0, self.lanes, whole)
        ]
        while len(parts) > 1:
            count = 2 * lanes_of(parts[0].type)
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [self.b.shuffle(low, high, range(count)) for low, high in pairs]
        return Num(self.b, parts[0])

    def _part(self, x: Value, first: int, count: int) -> Value:
        """`count` lanes of `x` from `first` on."""
        return x if count == self.lanes else self.b.shuffle(x, None, range(first, first + count))

    def _scalef(self, x: Value, n: Value) -> Value:
        """AVX-512's instruction for it, on one register."""
        suffix = "ps" if self.element == "float" else "pd"
        mask = Value(f"i{lanes_of(x.type)}", "-1")
        args = [x, n, Value(x.type, "undef"), mask, Value("i32", "4")]
        name = f"llvm.x86.avx512.mask.scalef.{suffix}.512"
        return self.b.intrinsic(name, x.type, args)

    def table(self, values: Sequence[float], index: Num) -> Num:
        b = self.b
        items = ", ".join(str(constant(self.element, v)) for v in values)
        name = f"table.{abs(hash(tuple(values))):x}.{self.element}"
        base = b.module.global_(
            name, f"private unnamed_addr constant [{len(values)} x {self.element}] [{items}]"
        )
        if self.lanes == 1:
            return Num(b, b.load(self.element, b.offset(base, index.value, self.element), 4))
        where = Value(vector("ptr", self.lanes), b.fresh())
        b.do(f"{where.ref} = getelementptr inbounds {self.element}, {base}, {index.value}")
        loaded = [
            b.load(self.element, b.extract(where, lane), 4) for lane in lane_numbers(self.lanes)
        ]
        return Num(b, b.gather_lanes(loaded))

    def rarely(
        self, condition: Num, slow: Callable[[], tuple[Num, ...]], fast: tuple[Num, ...]
    ) -> tuple[Num, ...]:
        b, mask = self.b, condition.value
        before, rare, done = b.block, b.label("rare"), b.label("common")
        b.branch(self._any(mask), rare, done)
        b.start(rare)
        chosen = [b.select(mask, s.value, f.value) for s, f in zip(slow(), fast, strict=True)]
        after = b.block
        b.jump(done)
        b.start(done)
        return tuple(
            Num(b, b.phi(f.value.type, [(f.value, before), (c, after)]))
            for f, c in zip(fast, chosen, strict=True)
        )

    def _any(self, mask: Value) -> Value:
        if self.lanes == 1:
            return mask
        name = f"llvm.vector.reduce.or.{mangled(mask.type)}"
        return self.b.intrinsic(name, "i1", [mask])

    def double(self) -> LlvmMath:
        return LlvmMath(
            self.b,
            vector("double", self.lanes),
            has_fma=self.has_fma,
            has_scalef=self.has_scalef,
        )

    def widen(self, x: Num) -> Num:
        return Num(self.b, self.b.cast("fpext", x.value, vector("double", self.lanes)))

    def narrow(self, x: Num) -> Num:
        return Num(self.b, self.b.cast("fptrunc", x.value, self.type))

    def narrow_int(self, i: Num) -> Num:
        return Num(self.b, self.b.cast("trunc", i.value, self.integer))
