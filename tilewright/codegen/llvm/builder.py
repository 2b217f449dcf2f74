"""LLVM IR as text: typed SSA values, blocks, loops, intrinsics; explicit vectors.

Text is several times faster to make than `llvmlite.ir` objects and reads like the manual. Types are
their own spelling (`float`, `<16 x float>`, `<vscale x 4 x float>`, `ptr`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

import numpy as np

from tilewright.support.dtypes import ScalableLanes
from tilewright.support.errors import CompileError

FAST = "reassoc nsz contract "
CONTRACT = "contract "

_MANGLED = {"half": "f16", "bfloat": "bf16", "float": "f32", "double": "f64", "ptr": "p0"}
_SIZES = {"half": 2, "bfloat": 2, "float": 4, "double": 8, "ptr": 8, "i1": 1}


class Value:
    """An SSA value, a constant or a global: `type` and the text that names it, `ref`."""

    __slots__ = ("ref", "type")

    def __init__(self, type: str, ref: str) -> None:
        self.type = type
        self.ref = ref

    def __str__(self) -> str:
        return f"{self.type} {self.ref}"


@cache
def vector(element: str, lanes: int) -> str:
    """The type of `lanes` lanes of `element`; one lane is the scalar itself."""
    if isinstance(lanes, ScalableLanes):
        return f"<vscale x {int(lanes)} x {element}>"
    return element if lanes == 1 else f"<{lanes} x {element}>"


@cache
def element_of(type: str) -> str:
    """The scalar type of a scalar or vector type."""
    return type.rpartition(" x ")[2].rstrip(">") if type[0] == "<" else type


@cache
def lanes_of(type: str) -> int:
    """The number of lanes of a scalar (one) or vector type."""
    if type[0] != "<":
        return 1
    count = int(type.rsplit(" x ", 2)[-2].lstrip("<"))
    return ScalableLanes(count) if type.startswith("<vscale") else count


def lane_numbers(lanes: int) -> range:
    """`range(lanes)`. Raises `CompileError` for a scalable vector, whose lanes nobody can count."""
    if isinstance(lanes, ScalableLanes):
        raise CompileError(
            f"an operation takes the {int(lanes)} * vscale() lanes of a vector one by one",
            hint="vectorize the loop around it by a constant number of lanes",
        )
    return range(lanes)


@cache
def mangled(type: str) -> str:
    """The type as it appears in the name of an overloaded intrinsic: `v16f32`, `nxv4f32`."""
    element, lanes = element_of(type), lanes_of(type)
    name = _MANGLED.get(element, element)
    if isinstance(lanes, ScalableLanes):
        return f"nxv{int(lanes)}{name}"
    return f"v{lanes}{name}" if type[0] == "<" else name


@cache
def size_of(type: str) -> int:
    """Bytes of a value in memory (an `i1` takes one)."""
    element = element_of(type)
    return lanes_of(type) * (_SIZES.get(element) or int(element[1:]) // 8)


@lru_cache(maxsize=4096)
def scalar_text(element: str, value: float | int | bool, is_minus_zero: bool = False) -> str:
    """The spelling of a scalar constant: floats by their bits, so that nothing is lost."""
    del is_minus_zero  # for the cache, to which 0.0 and -0.0 are one value
    if element in ("half", "bfloat"):
        return _narrow_text(element, float(value))
    if element == "float":
        with np.errstate(over="ignore"):
            value = float(np.float32(value))
    if element in ("float", "double"):
        value = float(value)
        if math.isnan(value):
            return "0x7FF8000000000000"
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    if element == "i1":
        return "true" if value else "false"
    if element == "ptr":
        return "null"
    return str(int(value))


def _narrow_text(element: str, value: float) -> str:
    import ml_dtypes

    dtype = np.float16 if element == "half" else ml_dtypes.bfloat16
    with np.errstate(over="ignore"):
        bits = int(np.asarray(value, dtype).view(np.uint16))
    return f"0x{'H' if element == 'half' else 'R'}{bits:04X}"


def is_minus_zero(value: float | int | bool) -> bool:
    """Whether a number is zero with a sign, which equals the one without."""
    return value == 0 and math.copysign(1.0, value) < 0


def constant(type: str, value: float | int | bool) -> Value:
    """A constant; for a vector type, the same value in every lane."""
    return _constant(type, value, is_minus_zero(value))


@lru_cache(maxsize=4096)
def _constant(type: str, value: float | int | bool, is_minus_zero: bool) -> Value:
    element = element_of(type)
    text = scalar_text(element, value, is_minus_zero)
    if type[0] != "<":
        return Value(type, text)
    return Value(type, f"splat ({element} {text})")


def constants(element: str, values: Iterable[float | int | bool]) -> Value:
    """A constant vector, lane by lane."""
    items = [f"{element} {scalar_text(element, v, is_minus_zero(v))}" for v in values]
    return Value(vector(element, len(items)), f"<{', '.join(items)}>")


def int_of(value: Value) -> int | None:
    """The integer that a scalar constant stands for; `None` for anything computed."""
    ref = value.ref
    if ref[0] in "-0123456789" and value.type[0] == "i":
        return int(ref)
    return None


@dataclass(slots=True)
class ModuleBuilder:
    """The parts of a module: declarations and globals by name, functions in order, metadata."""

    declarations: dict[str, str] = field(default_factory=dict)
    globals: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    metadata: list[str] = field(default_factory=list)
    attributes: dict[str, int] = field(default_factory=dict)
    _strings: dict[bytes, str] = field(default_factory=dict)

    def declare(self, name: str, result: str, params: Sequence[str], tail: str = "") -> None:
        """Declares an external function once; a definition in the module takes precedence."""
        if name not in self.declarations:
            text = f"declare {result} @{quoted(name)}({', '.join(params)}){tail}"
            self.declarations[name] = text

    def global_(self, name: str, definition: str) -> Value:
        """A global under `name`, defined once: `@name = definition`."""
        self.globals.setdefault(name, f"@{quoted(name)} = {definition}")
        return Value("ptr", f"@{quoted(name)}")

    def string(self, text: str) -> Value:
        """The address of a private zero-terminated string, shared by equal texts."""
        data = text.encode() + b"\0"
        name = self._strings.setdefault(data, f"str.{len(self._strings)}")
        return self.global_(
            name,
            f'private unnamed_addr constant [{len(data)} x i8] c"{escaped(data)}", align 1',
        )

    def node(self, text: str) -> str:
        """A metadata node `!n = text`; returns `!n`. `$` in `text` stands for the node itself."""
        name = f"!{len(self.metadata)}"
        self.metadata.append(f"{name} = {text.replace('$', name)}")
        return name

    def attribute_group(self, text: str) -> str:
        """The number `#n` of a function attribute group."""
        return f"#{self.attributes.setdefault(text, len(self.attributes))}"

    def text(self) -> str:
        """The whole module."""
        declared = [t for n, t in self.declarations.items() if n not in self.functions]
        groups = [f"attributes #{n} = {{ {text} }}" for text, n in self.attributes.items()]
        parts = [*self.globals.values(), *self.functions.values(), *declared, *groups]
        return "\n".join([*parts, *self.metadata]) + "\n"


@lru_cache(maxsize=4096)
def quoted(name: str) -> str:
    """A symbol as LLVM spells it: quoted where it is not a plain identifier."""
    plain = name.replace(".", "_").replace("$", "_")
    return name if plain.isidentifier() and plain.isascii() else f'"{escaped(name.encode())}"'


def escaped(data: bytes) -> str:
    """Bytes as they stand inside a quoted LLVM string."""
    return "".join(chr(b) if 32 <= b < 127 and b not in (34, 92) else f"\\{b:02X}" for b in data)


class FunctionBuilder:
    """Writes one function: instructions go to the end of the current block."""

    def __init__(self, module: ModuleBuilder) -> None:
        self.module = module
        self.block = "entry"
        self.lines: list[str] = []
        self.entry: list[str] = []
        self._next = 0
        self.targets: set[str] = set()  # blocks that are jumped to
        self._known: dict[str, Value] = {}  # pure instructions of the current block by their text

    # -- the plumbing

    def fresh(self) -> str:
        """A new local name."""
        self._next += 1
        return f"%v{self._next}"

    def label(self, hint: str) -> str:
        """A new block name; the block is started with `start`."""
        self._next += 1
        return f"{hint}{self._next}"

    def emit(self, type: str, text: str) -> Value:
        """`%v = text`, whose result has `type`."""
        self._next += 1
        ref = f"%v{self._next}"
        self.lines.append(f"  {ref} = {text}")
        return Value(type, ref)

    def pure(self, type: str, text: str) -> Value:
        """The result of an instruction without effects, made once a block."""
        found = self._known.get(text)
        if found is None:
            self._next += 1
            ref = f"%v{self._next}"
            self.lines.append(f"  {ref} = {text}")
            found = self._known[text] = Value(type, ref)
        return found

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self.lines.append("  " + text)

    def finish(self, header: str) -> str:
        """The function's text; `header` is everything before the brace."""
        return "\n".join([f"{header} {{", "entry:", *self.entry, *self.lines, "}", ""])

    # -- control flow

    def start(self, label: str) -> None:
        """Goes on in a new block."""
        self.lines.append(f"{label}:")
        self.block = label
        self._known.clear()

    def jump(self, label: str, metadata: str = "") -> None:
        """An unconditional branch."""
        self.targets.add(label)
        self.do(f"br label %{label}{metadata}")

    def branch(self, condition: Value, then: str, other: str, metadata: str = "") -> None:
        """A conditional branch."""
        self.do(f"br i1 {condition.ref}, label %{then}, label %{other}{metadata}")

    def phi(self, type: str, incoming: Iterable[tuple[Value, str]]) -> Value:
        """A phi of `(value, block)` pairs."""
        pairs = ", ".join(f"[{v.ref}, %{b}]" for v, b in incoming)
        return self.emit(type, f"phi {type} {pairs}")

    def loop(
        self,
        begin: Value,
        end: Value,
        body: Callable[[Value], None],
        *,
        step: int = 1,
        metadata: str = "",
        at_least_once: bool = False,
        latch: str = "",
        done: str = "",
    ) -> None:
        """`for i in range(begin, end, step): body(i)`; counts upwards, `step` positive.

        The body may jump to `latch`, to go on with the next iteration, and to `done`.
        """
        head, done, before = self.label("loop"), done or self.label("done"), self.block
        if not at_least_once:
            self.branch(self.compare("slt", begin, end), head, done)
        else:
            self.jump(head)
        self.start(head)
        index, position = Value(begin.type, self.fresh()), len(self.lines)
        self.lines.append("")
        body(index)
        if latch in self.targets:
            self.jump(latch)
            self.start(latch)
        after = self.emit(begin.type, f"add nsw {begin.type} {index.ref}, {step}")
        incoming = f"[{begin.ref}, %{before}], [{after.ref}, %{self.block}]"
        self.lines[position] = f"  {index.ref} = phi {begin.type} {incoming}"
        again = self.compare("slt", after, end)
        self.branch(again, head, done, metadata)
        self.start(done)

    # -- arithmetic

    def binary(self, opcode: str, a: Value, b: Value) -> Value:
        """`opcode a, b`; the opcode may carry flags (`add nsw`)."""
        return self.pure(a.type, f"{opcode} {a.type} {a.ref}, {b.ref}")

    def add(self, a: Value, b: Value, flags: str = "") -> Value:
        """Integer `a + b`, folded where both are constants or one is zero."""
        x, y = int_of(a), int_of(b)
        if x is not None and y is not None:
            return wrapped(a.type, x + y)
        if y == 0:
            return a
        return b if x == 0 else self.binary(f"add{flags}", a, b)

    def sub(self, a: Value, b: Value, flags: str = "") -> Value:
        """Integer `a - b`, folded as `add` is."""
        x, y = int_of(a), int_of(b)
        if x is not None and y is not None:
            return wrapped(a.type, x - y)
        return a if y == 0 else self.binary(f"sub{flags}", a, b)

    def mul(self, a: Value, b: Value, flags: str = "") -> Value:
        """Integer `a * b`, folded where both are constants or one is zero or one."""
        x, y = int_of(a), int_of(b)
        if x is not None and y is not None:
            return wrapped(a.type, x * y)
        if x == 0 or y == 1:
            return a
        return b if y == 0 or x == 1 else self.binary(f"mul{flags}", a, b)

    def compare(self, predicate: str, a: Value, b: Value) -> Value:
        """`icmp predicate a, b`."""
        return self.pure(boolean_like(a.type), f"icmp {predicate} {a.type} {a.ref}, {b.ref}")

    def fcompare(self, predicate: str, a: Value, b: Value) -> Value:
        """`fcmp predicate a, b`."""
        return self.pure(boolean_like(a.type), f"fcmp {predicate} {a.type} {a.ref}, {b.ref}")

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """`a` where `condition`, else `b`; a scalar condition may choose whole vectors."""
        return self.pure(a.type, f"select {condition}, {a}, {b}")

    def cast(self, opcode: str, a: Value, type: str) -> Value:
        """`opcode a to type`; no instruction if the type is the same already."""
        return a if a.type == type else self.pure(type, f"{opcode} {a} to {type}")

    def intrinsic(self, name: str, result: str, args: Sequence[Value], flags: str = "") -> Value:
        """A call of an intrinsic (its full mangled name), declared on first use."""
        self.module.declare(name, result, [a.type for a in args])
        return self.emit(result, f"call {flags}{result} @{name}({', '.join(map(str, args))})")

    def overloaded(self, name: str, args: Sequence[Value], flags: str = "") -> Value:
        """An intrinsic overloaded on the type of its first argument, which is its result's too."""
        type = args[0].type
        return self.intrinsic(f"llvm.{name}.{mangled(type)}", type, args, flags)

    def call(self, name: str, result: str, args: Sequence[Value]) -> Value:
        """A call of an external function, declared on first use; `result` may be `void`."""
        self.module.declare(name, result, [a.type for a in args])
        text = f"call {result} @{quoted(name)}({', '.join(map(str, args))})"
        if result == "void":
            self.do(text)
            return Value("void", "")
        return self.emit(result, text)

    # -- vectors

    def splat(self, a: Value, lanes: int) -> Value:
        """The scalar `a` in every lane."""
        if lanes == 1:
            return a
        type = vector(a.type, lanes)
        if a.ref[0] not in "%@":
            return Value(type, f"splat ({a})")
        one = self.pure(type, f"insertelement {type} poison, {a}, i64 0")
        zeros = f"{vector('i32', lanes)} zeroinitializer"
        return self.pure(type, f"shufflevector {one}, {type} poison, {zeros}")

    def extract(self, a: Value, lane: int | Value) -> Value:
        """One lane of a vector."""
        index = lane if isinstance(lane, Value) else Value("i64", str(lane))
        return self.pure(element_of(a.type), f"extractelement {a}, {index}")

    def insert(self, a: Value, item: Value, lane: int) -> Value:
        """A vector with one lane replaced."""
        return self.pure(a.type, f"insertelement {a}, {item}, i64 {lane}")

    def gather_lanes(self, items: Sequence[Value]) -> Value:
        """A vector made of scalars."""
        type = vector(items[0].type, len(items))
        out = Value(type, "poison")
        for lane, item in enumerate(items):
            out = self.insert(out, item, lane)
        return out

    def shuffle(self, a: Value, b: Value | None, lanes: Sequence[int]) -> Value:
        """The named lanes of `a` followed by `b`; a negative lane is undefined."""
        other = b.ref if b is not None else "poison"
        mask = ", ".join(f"i32 {n}" if n >= 0 else "i32 poison" for n in lanes)
        type = vector(element_of(a.type), len(lanes))
        return self.pure(
            type, f"shufflevector {a}, {a.type} {other}, <{len(lanes)} x i32> <{mask}>"
        )

    # -- memory

    def alloca(self, type: str, count: int, align: int) -> Value:
        """Stack memory of the whole function, whatever block asks for it."""
        ref = self.fresh()
        self.entry.append(f"  {ref} = alloca [{count} x {type}], align {align}")
        return Value("ptr", ref)

    def offset(self, pointer: Value, index: Value, type: str) -> Value:
        """The address of element `index` of an array of `type`."""
        if index.ref == "0":
            return pointer
        return self.pure("ptr", f"getelementptr inbounds {type}, {pointer}, {index}")

    def load(self, type: str, pointer: Value, align: int, metadata: str = "") -> Value:
        """`*pointer` as a `type`."""
        return self.emit(type, f"load {type}, {pointer}, align {align}{metadata}")

    def store(self, value: Value, pointer: Value, align: int, metadata: str = "") -> None:
        """`*pointer = value`."""
        self.do(f"store {value}, {pointer}, align {align}{metadata}")

    def masked_load(self, type: str, pointer: Value, align: int, mask: Value | None) -> Value:
        """`*pointer` in the lanes of `mask`, zero elsewhere; in all lanes without a mask."""
        if mask is None:
            return self.load(type, pointer, align)
        name = f"llvm.masked.load.{mangled(type)}.p0"
        self.module.declare(name, type, ["ptr", mask.type, type])
        where = f"ptr align {align} {pointer.ref}"
        return self.emit(type, f"call {type} @{name}({where}, {mask}, {type} zeroinitializer)")

    def masked_store(self, value: Value, pointer: Value, align: int, mask: Value | None) -> None:
        """`*pointer = value` in the lanes of `mask`; in all lanes without a mask."""
        if mask is None:
            self.store(value, pointer, align)
            return
        name = f"llvm.masked.store.{mangled(value.type)}.p0"
        self.module.declare(name, "void", [value.type, "ptr", mask.type])
        self.do(f"call void @{name}({value}, ptr align {align} {pointer.ref}, {mask})")


@cache
def boolean_like(type: str) -> str:
    """The type of a comparison of two values of `type`."""
    return vector("i1", lanes_of(type))


def wrapped(type: str, value: int) -> Value:
    """An integer constant reduced into the range of its type."""
    bits = int(type[1:])
    value &= (1 << bits) - 1
    return Value(type, str(value - (1 << bits) if value >> (bits - 1) else value))
