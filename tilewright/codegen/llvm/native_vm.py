"""Executables compiled: each function's instruction list becomes one `__tvm_ffi_<name>` in LLVM IR.

Between two kernels there is nothing but pointer arithmetic: storage lies at fixed places of one
arena a call takes from its module, dimensions are integers, checks run once at the start.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Sequence

import numpy as np

from tilewright.ffi import dtype as ffi_dtype
from tilewright.runtime.executable import (
    DIM_OPS,
    AllocStorage,
    AllocTensor,
    BindDim,
    BindScalar,
    CallClosure,
    CallFunction,
    CallKernel,
    CallPacked,
    CheckShape,
    CheckTensor,
    CheckTuple,
    Const,
    Dim,
    DimOp,
    Executable,
    GetItem,
    Goto,
    If,
    Imm,
    Instruction,
    KillReg,
    MakeClosure,
    MakeShape,
    MakeTuple,
    Move,
    NewTensor,
    Operand,
    Reg,
    Ret,
    SetSlot,
    Slot,
    VMFunction,
)
from tilewright.support.errors import CompileError

from .threadpool import c_string
from .vm_registers import classify, targets

FAILING_KERNELS = "failing_kernels"  # in `Executable.attrs`: kernels that return a status
TENSOR = 70
ALIGNMENT = 64


def vm_ir(
    executable: Executable,
    *,
    packed: Collection[str] = (),
    failing: Collection[str] | None = None,
) -> str:
    """The functions of `executable` as one LLVM module.

    It calls kernels by their bare symbols. `packed` names the functions whose `__tvm_ffi_<name>`
    is in the objects it will be linked with; all others that it calls are global functions.
    `failing` names the kernels that return a status (default: the attribute `failing_kernels`).
    """
    if failing is None:
        failing = executable.attrs.get(FAILING_KERNELS, ())
    return _Module(executable, frozenset(packed), frozenset(failing)).text()


class _Module:
    """Constants, declarations and functions of one LLVM module."""

    def __init__(
        self, executable: Executable, packed: frozenset[str], failing: frozenset[str]
    ) -> None:
        self.executable = executable
        self.packed = packed
        self.failing = failing
        self.declarations: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        self.globals: dict[str, str] = {}
        self.arenas: list[str] = []
        self.state: list[str] = []

    def text(self) -> str:
        functions = [
            _Function(self, function).text() for function in self.executable.functions.values()
        ]
        constants = [f"{name} = private constant {c}" for c, name in self.constants.items()]
        return "\n".join(
            [_DECLARATIONS, self._tables(), *self.state, *constants, *functions, self._release()]
            + [d for name, d in self.declarations.items() if not self._is_own(name)]
        )

    def _is_own(self, symbol: str) -> bool:
        return symbol.removeprefix("__tvm_ffi_") in self.executable.functions

    def _tables(self) -> str:
        count = len(self.executable.constants)
        return (
            f"@tilewright_constant_data = global [{count} x ptr] zeroinitializer\n"
            f"@tilewright_constant_objects = global [{count} x ptr] zeroinitializer\n"
            "@tilewright_module_owner = global ptr null"
        )

    def _release(self) -> str:
        """Functions that give back what the module holds, called before it is unloaded."""
        clear = [f"  call void @tilewright_arena_clear(ptr {slots})" for slots in self.arenas]
        drop = []
        for i, cache in enumerate(self.globals.values()):
            drop += [
                f"  store i64 68, ptr %any\n  %h{i} = load i64, ptr {cache}",
                f"  store i64 %h{i}, ptr %slot",
                f"  %z{i} = icmp eq i64 %h{i}, 0\n  br i1 %z{i}, label %n{i}, label %d{i}",
                f"d{i}:\n  call void @tilewright_release(ptr %any)\n  br label %n{i}\nn{i}:",
            ]
        return "\n".join(
            ["define void @tilewright_module_clear() {", *clear, "  ret void\n}"]
            + ["define void @tilewright_module_release() {"]
            + ["  %any = alloca { i64, i64 }\n  %slot = getelementptr i64, ptr %any, i64 1"]
            + [*drop, "  call void @tilewright_module_clear()\n  ret void\n}"]
        )

    def constant(self, definition: str) -> str:
        """The name of a private constant with that definition."""
        return self.constants.setdefault(definition, f"@c{len(self.constants)}")

    def string(self, text: str) -> str:
        """The name of a zero-terminated string."""
        return self.constant(c_string(text))

    def integers(self, values: Sequence[int]) -> str:
        """The name of an array of int64."""
        return self.constant(f"[{len(values)} x i64] [{', '.join(f'i64 {v}' for v in values)}]")

    def declare(self, symbol: str, returns: str, params: str) -> str:
        """`@symbol`, declared once."""
        quoted = quote(symbol)
        self.declarations.setdefault(symbol, f"declare {returns} {quoted}({params})")
        return quoted

    def global_cache(self, name: str) -> tuple[str, str]:
        """The variable that keeps a global function, and the name's `TVMFFIByteArray`."""
        if name not in self.globals:
            self.globals[name] = f"@g{len(self.globals)}"
            self.state.append(f"{self.globals[name]} = internal global ptr null, align 8")
        size = len(name.encode())
        return self.globals[name], self.constant(
            f"{{ ptr, i64 }} {{ ptr {self.string(name)}, i64 {size} }}"
        )


def quote(symbol: str) -> str:
    """`@symbol` as LLVM writes it."""
    plain = symbol.replace("_", "a").replace(".", "a").replace("$", "a")
    return f"@{symbol}" if plain.isalnum() and plain.isascii() else f'@"{symbol}"'


class _Function:
    """Emits one function, instruction by instruction."""

    def __init__(self, module: _Module, function: VMFunction) -> None:
        self.module = module
        self.function = function
        self.registers = classify(function)
        self.lines: list[str] = []
        self.count = 0
        self.labels = {t for ins in function.instructions for t in targets(ins)}
        self.known: set[int] = set()  # registers whose data pointer is at hand
        self.pinned: set[int] = set()  # those for which that holds to the end
        self.in_entry = True
        self.static_bytes = 0
        self.dynamic = False
        self.max_args = 1
        self.max_dims = 1
        self.arena_taken = False
        self.name = f"tw.{len(module.arenas)}.{function.name}"

    # ---- text ----------------------------------------------------------------------------------

    def emit(self, line: str) -> None:
        self.lines.append(f"  {line}")

    def value(self, expression: str) -> str:
        """A new SSA value with that definition."""
        self.count += 1
        self.emit(f"%t{self.count} = {expression}")
        return f"%t{self.count}"

    def fresh(self) -> str:
        self.count += 1
        return f"b{self.count}"

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def check(self, status: str) -> None:
        """Goes to the error exit unless `status` is 0."""
        good = self.value(f"icmp eq i32 {status}, 0")
        self.require(good)

    def require(self, condition: str) -> None:
        follow = self.fresh()
        self.emit(f"br i1 {condition}, label %{follow}, label %error, !prof !0")
        self.label(follow)

    def call(self, name: str, arguments: str) -> None:
        """Calls a helper that returns a status."""
        self.check(self.value(f"call i32 @tilewright_{name}({arguments})"))

    def text(self) -> str:
        function = self.function
        for at, instruction in enumerate(function.instructions):
            if at in self.labels:
                self.emit(f"br label %i{at}")
                self._block(f"i{at}")
            if self._starts_arena(instruction):
                self._take_arena()
            emitter = _EMITTERS.get(type(instruction))
            if emitter is None:
                raise CompileError(f"no native code for {type(instruction).__name__}")
            emitter(self, instruction)
        if not function.instructions or not isinstance(function.instructions[-1], (Ret, Goto)):
            self.emit("br label %cleanup")
        else:
            self.emit("unreachable")
        body = self.lines
        self.lines = []
        self._prologue()
        prologue = self.lines
        self.lines = []
        self._epilogue()
        head = (
            f"define i32 {quote('__tvm_ffi_' + function.name)}"
            "(ptr %self, ptr %args, i32 %count, ptr %ret) nounwind {"
        )
        return "\n".join([*self._globals(), head, *prologue, *body, *self.lines, "}"])

    def _starts_arena(self, instruction: Instruction) -> bool:
        """Whether the arena is first needed here, in the part that always runs."""
        if self.arena_taken or not self.in_entry or not isinstance(instruction, AllocStorage):
            return False
        return instruction.dst.index in self.registers.arena

    def _block(self, name: str) -> None:
        self.label(name)
        self.in_entry = False
        self.known = set(self.pinned)

    def _globals(self) -> list[str]:
        if not self._uses_arena:
            return []
        slots = quote(self.name + ".arena")
        self.module.arenas.append(slots)
        return [
            f"{quote(self.name + '.needed')} = internal global i64 {self.static_bytes}, align 8",
            f"{slots} = internal global [8 x ptr] zeroinitializer, align 64",
        ]

    @property
    def _uses_arena(self) -> bool:
        return self.static_bytes > 0 or self.dynamic

    def _prologue(self) -> None:
        function, registers = self.function, self.registers
        self.label("entry")
        self.emit(f"%call.args = alloca [{self.max_args} x {{ i64, i64 }}], align 16")
        self.emit(f"%dims = alloca [{self.max_dims} x i64], align 16")
        self.emit("%scratch = alloca { i64, i64 }, align 16")
        self.emit("%result = alloca { i64, i64 }, align 16")
        self.emit("%rc = alloca i32")
        self.emit("store i32 0, ptr %rc")
        for slot in range(function.num_slots):
            self.emit(f"%s{slot} = alloca i64")
        for register in sorted(registers.boxed):
            self.emit(f"%r{register} = alloca {{ i64, i64 }}, align 16")
            self.emit(f"store i64 0, ptr %r{register}")
        for register in range(function.num_registers):
            self.emit(f"%d{register} = alloca ptr")
        if self._uses_arena:
            self.emit("%arena = alloca ptr\n  store ptr null, ptr %arena")
            self.emit("%capacity = alloca i64")
            self.emit(f"%used = alloca i64\n  store i64 {self.static_bytes}, ptr %used")
            self.emit("%chain = alloca ptr\n  store ptr null, ptr %chain")
        self._check_count()
        for i in range(len(function.params)):
            self._parameter(i)
        if self._uses_arena and not self.arena_taken:
            self._take_arena()

    def _check_count(self) -> None:
        expected = len(self.function.params)
        name = self.module.string(self.function.name)
        params = self.module.string(", ".join(self.function.params))
        self.call("check_count", f"i32 %count, i32 {expected}, ptr {name}, ptr {params}")

    def _parameter(self, index: int) -> None:
        source = self.value(f"getelementptr {{ i64, i64 }}, ptr %args, i64 {index}")
        if index in self.registers.owned_params:
            self.call("own", f"ptr {source}, ptr %r{index}")
        else:
            self.copy(source, f"%r{index}")

    def _take_arena(self) -> None:
        """The arena of this call; sizes are known only at the end, so the text is as well."""
        self.arena_taken = True
        needed, slots = quote(self.name + ".needed"), quote(self.name + ".arena")
        size = self.value(f"load atomic i64, ptr {needed} monotonic, align 8")
        self.emit(f"store i64 {size}, ptr %capacity")
        arena = self.value(f"call ptr @tilewright_arena_take(ptr {slots}, i64 {size})")
        self.emit(f"store ptr {arena}, ptr %arena")
        self.require(self.value(f"icmp ne ptr {arena}, null"))

    def _epilogue(self) -> None:
        self.label("error")
        self.emit("store i32 -1, ptr %rc")
        self.emit("br label %cleanup")
        self.label("cleanup")
        params = len(self.function.params)
        for register in sorted(self.registers.boxed):
            if self.registers.owned(register, params):
                self.emit(f"call void @tilewright_release(ptr %r{register})")
        if self._uses_arena:
            if self.dynamic:
                used = self.value("load i64, ptr %used")
                needed = quote(self.name + ".needed")
                self.emit(
                    f"call void @tilewright_arena_finish(ptr {needed}, i64 {used}, ptr %chain)"
                )
            arena = self.value("load ptr, ptr %arena")
            slots = quote(self.name + ".arena")
            self.emit(f"call void @tilewright_arena_give(ptr {slots}, ptr {arena})")
        status = self.value("load i32, ptr %rc")
        self.emit(f"ret i32 {status}")

    # ---- values --------------------------------------------------------------------------------

    def copy(self, source: str, target: str) -> None:
        whole = self.value(f"load {{ i64, i64 }}, ptr {source}, align 8")
        self.emit(f"store {{ i64, i64 }} {whole}, ptr {target}, align 8")

    def dim(self, dim: Dim) -> str:
        """An int64 value or literal."""
        if isinstance(dim, Slot):
            return self.value(f"load i64, ptr %s{dim.index}")
        if not isinstance(dim, DimOp):
            return str(int(dim))
        a, b = self.dim(dim.a), self.dim(dim.b)
        if dim.op in _ARITHMETIC:
            return self.value(_ARITHMETIC[dim.op].format(a=a, b=b))
        if dim.op in _COMPARISONS:
            bit = self.value(f"icmp {_COMPARISONS[dim.op]} i64 {a}, {b}")
            return self.value(f"zext i1 {bit} to i64")
        if dim.op in ("and", "or"):
            x, y = (self.value(f"icmp ne i64 {v}, 0") for v in (a, b))
            bit = self.value(f"{dim.op} i1 {x}, {y}")
            return self.value(f"zext i1 {bit} to i64")
        return self._division(dim.op, a, b)

    def _division(self, op: str, a: str, b: str) -> str:
        """Python's floor division and its remainder; a zero divisor is an error."""
        follow, zero = self.fresh(), self.fresh()
        nonzero = self.value(f"icmp ne i64 {b}, 0")
        self.emit(f"br i1 {nonzero}, label %{follow}, label %{zero}, !prof !0")
        self.label(zero)
        self.emit("call void @tilewright_division_by_zero()")
        self.emit("br label %error")
        self.label(follow)
        rest = self.value(f"srem i64 {a}, {b}")
        mixed = self.value(f"xor i64 {rest}, {b}")
        opposite = self.value(f"icmp slt i64 {mixed}, 0")
        uneven = self.value(f"icmp ne i64 {rest}, 0")
        adjust = self.value(f"and i1 {opposite}, {uneven}")
        if op == "floormod":
            added = self.value(f"add i64 {rest}, {b}")
            return self.value(f"select i1 {adjust}, i64 {added}, i64 {rest}")
        quotient = self.value(f"sdiv i64 {a}, {b}")
        step = self.value(f"sext i1 {adjust} to i64")
        return self.value(f"add i64 {quotient}, {step}")

    def dims(self, dims: Sequence[Dim]) -> str:
        """A pointer to the dimensions as int64."""
        if all(isinstance(d, int) for d in dims):
            return self.module.integers([int(d) for d in dims if isinstance(d, int)])
        self.max_dims = max(self.max_dims, len(dims))
        values = [self.dim(d) for d in dims]
        for i, value in enumerate(values):
            self.emit(f"store i64 {value}, ptr {self._at('%dims', 'i64', i)}")
        return "%dims"

    def _at(self, base: str, kind: str, index: int) -> str:
        return self.value(f"getelementptr {kind}, ptr {base}, i64 {index}") if index else base

    def store_any(self, operand: Operand | int, target: str) -> None:
        """Writes a view of the operand to `target`."""
        if isinstance(operand, Reg):
            self.copy(f"%r{operand.index}", target)
            return
        tag, payload = self._immediate(operand)
        self.emit(f"store i64 {tag}, ptr {target}")
        self.emit(f"store {payload}, ptr {self._at(target, 'i64', 1)}")

    def _immediate(self, operand: Operand | int) -> tuple[int, str]:
        """The tag, and the payload with its type."""
        if isinstance(operand, Const):
            return TENSOR, f"ptr {self._constant('objects', operand.index)}"
        if isinstance(operand, (Slot, DimOp, int)):
            return 1, f"i64 {self.dim(operand)}"
        if not isinstance(operand, Imm):
            raise CompileError(f"{operand!r} is no operand")
        value = operand.value
        if value is None:
            return 0, "i64 0"
        if isinstance(value, bool):
            return 2, f"i64 {int(value)}"
        if isinstance(value, float):
            return 3, f"i64 {struct.unpack('<q', struct.pack('<d', value))[0]}"
        if isinstance(value, int):
            return 1, f"i64 {value}"
        if isinstance(value, ffi_dtype):
            return 5, f"i64 {dtype_bits(str(value))}"
        if isinstance(value, str):
            return 8, f"ptr {self.module.string(value)}"
        raise CompileError(f"{value!r} is no immediate value")

    def _constant(self, table: str, index: int) -> str:
        slot = f"getelementptr (ptr, ptr @tilewright_constant_{table}, i64 {index})"
        return self.value(f"load ptr, ptr {slot}")

    def any(self, operand: Operand) -> str:
        """A pointer to a view of the operand."""
        if isinstance(operand, Reg):
            return f"%r{operand.index}"
        self.store_any(operand, "%scratch")
        return "%scratch"

    def arguments(self, operands: Sequence[Operand]) -> str:
        """Fills the argument array; `ptr, i32 count`."""
        self.max_args = max(self.max_args, len(operands))
        for i, operand in enumerate(operands):
            self.store_any(operand, self._at("%call.args", "{ i64, i64 }", i))
        return f"ptr %call.args, i32 {len(operands)}"

    def data(self, operand: Operand, context: str) -> str:
        """The address of a tensor's first element."""
        if isinstance(operand, Const):
            return self._constant("data", operand.index)
        if not isinstance(operand, Reg):
            raise CompileError(f"{context}: a kernel takes tensors, found {operand}")
        index = operand.index
        if index in self.registers.boxed and index not in self.known:
            where = self.module.string(context)
            self.call("tensor_data", f"ptr %r{index}, ptr %d{index}, ptr {where}")
            self._knows(index)
        return self.value(f"load ptr, ptr %d{index}")

    def _knows(self, index: int) -> None:
        self.known.add(index)
        params = len(self.function.params)
        single = self.registers.definitions[index] == (0 if index < params else 1)
        if self.in_entry and single:
            self.pinned.add(index)

    # ---- definitions ---------------------------------------------------------------------------

    def define(self, dst: Reg | None, make: Callable[[str], None]) -> None:
        """Lets `make` write an owned value to an empty place, and moves it to `dst`."""
        if dst is None:
            self.emit("store i64 0, ptr %result")
            make("%result")
            self.emit("call void @tilewright_release(ptr %result)")
            return
        index = dst.index
        self.known.discard(index)
        empty = index >= len(self.function.params) and not self.registers.loops
        if empty and self.registers.definitions[index] == 1:
            make(f"%r{index}")
            return
        self.emit("store i64 0, ptr %result")
        make("%result")
        self.emit(f"call void @tilewright_release(ptr %r{index})")
        self.copy("%result", f"%r{index}")


_ARITHMETIC = {
    "add": "add i64 {a}, {b}",
    "sub": "sub i64 {a}, {b}",
    "mul": "mul i64 {a}, {b}",
    "min": "call i64 @llvm.smin.i64(i64 {a}, i64 {b})",
    "max": "call i64 @llvm.smax.i64(i64 {a}, i64 {b})",
}
_COMPARISONS = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}


def dtype_bits(name: str) -> int:
    """A DLDataType as the integer that its four bytes make."""
    parsed = ffi_dtype(name)
    return int(parsed.type_code) | int(parsed.bits) << 8 | int(parsed.lanes) << 16


def element_alignment(name: str) -> int:
    """What data of that type must be aligned to: its size, up to 8 bytes."""
    parsed = ffi_dtype(name)
    size = max(1, int(parsed.bits) // 8)
    return min(8, size & -size)


# ---- instructions --------------------------------------------------------------------------------


def _context(f: _Function, text: str) -> str:
    return f.module.string(text or f.function.name)


def _check_tensor(f: _Function, ins: CheckTensor) -> None:
    _host_only(ins.device_index, ins.span or ins.context)
    source = f.any(ins.src)
    where = f"%d{ins.src.index}" if isinstance(ins.src, Reg) else "%result"
    first, rest = _phases(ins.dims)
    dtype = dtype_bits(ins.dtype) if ins.dtype else -1
    align = element_alignment(ins.dtype) if ins.dtype else 1
    for phase in filter(None, (first, rest)):
        spec = _spec(f, ins.context, ins.dims, phase, ins.ndim, ins.dtype or "", dtype, align)
        _fill_dims(f, ins.dims, phase)
        f.call("check_tensor", f"ptr {source}, ptr {spec}, ptr %dims, ptr {where}")
        _bind_dims(f, ins.dims, phase)
    if isinstance(ins.src, Reg):
        f._knows(ins.src.index)


def _check_shape(f: _Function, ins: CheckShape) -> None:
    source = f.any(ins.src)
    first, rest = _phases(ins.dims)
    for phase in filter(None, (first, rest)):
        spec = _spec(f, ins.context, ins.dims, phase, len(ins.dims), "", -1, 1)
        _fill_dims(f, ins.dims, phase)
        f.call("check_shape", f"ptr {source}, ptr {spec}, ptr %dims")
        _bind_dims(f, ins.dims, phase)


def _phases(dims: Sequence[object]) -> tuple[str, str]:
    """A letter a dimension: `_` free, `=` compared, `b` bound; what depends on a dimension bound
    here is compared in the second phase."""
    bound: set[int] = set()
    kinds = ["_"] * len(dims)
    later = ["_"] * len(dims)
    for i, dim in enumerate(dims):
        if isinstance(dim, BindDim):
            if dim.slot.index in bound:
                later[i] = "="
            else:
                kinds[i] = "b"
                bound.add(dim.slot.index)
    for i, dim in enumerate(dims):
        if dim is not None and not isinstance(dim, BindDim):
            (later if bound & _slots(dim) else kinds)[i] = "="
    return "".join(kinds) or " ", "".join(later) if "=" in later else ""


def _slots(dim: object) -> set[int]:
    if isinstance(dim, DimOp):
        return _slots(dim.a) | _slots(dim.b)
    return {dim.index} if isinstance(dim, Slot) else set()


def _fill_dims(f: _Function, dims: Sequence[object], phase: str) -> None:
    f.max_dims = max(f.max_dims, len(dims))
    values = {}
    for i, (dim, kind) in enumerate(zip(dims, phase, strict=False)):
        if kind == "=":
            values[i] = f.dim(dim.slot if isinstance(dim, BindDim) else dim)  # type: ignore[arg-type]
    for i, value in values.items():
        f.emit(f"store i64 {value}, ptr {f._at('%dims', 'i64', i)}")


def _bind_dims(f: _Function, dims: Sequence[object], phase: str) -> None:
    for i, (dim, kind) in enumerate(zip(dims, phase, strict=False)):
        if kind == "b" and isinstance(dim, BindDim):
            found = f.value(f"load i64, ptr {f._at('%dims', 'i64', i)}")
            f.emit(f"store i64 {found}, ptr %s{dim.slot.index}")


def _spec(
    f: _Function,
    context: str,
    dims: Sequence[object],
    phase: str,
    ndim: int,
    dtype_name: str,
    dtype: int,
    align: int,
) -> str:
    """The constant that describes a check; its layout is `%tw.spec` in `vm_support`."""
    count = min(len(dims), len(phase))
    kinds = "".join(f"\\{'_=b'.index(kind):02X}" for kind in phase[:count])
    kinds_name = f.module.constant(f'[{count} x i8] c"{kinds}"') if count else "null"
    shape = ", ".join(_dim_text(d, f.function) for d in dims)
    if ndim >= 0 and not dims:
        shape = ", ".join("_" * ndim)
    shape += "," if ndim == 1 else ""
    return f.module.constant(
        "{ ptr, ptr, ptr, i32, i32, i64, i32, ptr } "
        f"{{ ptr {_context(f, context)}, ptr {f.module.string(f'({shape})')}, "
        f"ptr {f.module.string(dtype_name)}, i32 {dtype}, i32 {ndim}, i64 {align}, i32 {count}, "
        f"ptr {kinds_name} }}"
    )


def _dim_text(dim: object, function: VMFunction) -> str:
    """A checked dimension in the model's names, as in `(n + 1)`."""
    if dim is None:
        return "_"
    if isinstance(dim, BindDim):
        return function.slot_name(dim.slot.index)
    if isinstance(dim, Slot):
        return function.slot_name(dim.index)
    if isinstance(dim, DimOp):
        a, b = _dim_text(dim.a, function), _dim_text(dim.b, function)
        symbol = DIM_OPS[dim.op]
        return f"{symbol}({a}, {b})" if symbol in ("min", "max") else f"({a} {symbol} {b})"
    return str(dim)


def _host_only(device_index: int, where: str) -> None:
    if device_index != 0:
        raise CompileError(
            f"{where or 'an instruction'}: native functions run on the host, "
            f"found device {device_index}",
            hint="use the interpreter for executables that span devices",
        )


def _check_tuple(f: _Function, ins: CheckTuple) -> None:
    source = f.any(ins.src)
    f.call("check_tuple", f"ptr {source}, i64 {ins.size}, ptr {_context(f, ins.context)}")


def _bind_scalar(f: _Function, ins: BindScalar) -> None:
    source = f.any(ins.src)
    context = _context(f, ins.context)
    f.call("as_int", f"ptr {source}, ptr %s{ins.slot.index}, ptr {context}")


def _set_slot(f: _Function, ins: SetSlot) -> None:
    f.emit(f"store i64 {f.dim(ins.dim)}, ptr %s{ins.slot.index}")


def _make_shape(f: _Function, ins: MakeShape) -> None:
    dims = f.dims(ins.dims)
    count = len(ins.dims)
    f.define(ins.dst, lambda at: f.call("make_shape", f"ptr {dims}, i32 {count}, ptr {at}"))


def _alloc_storage(f: _Function, ins: AllocStorage) -> None:
    _host_only(ins.device_index, ins.span)
    index = ins.dst.index
    if index not in f.registers.arena:
        dims = f.dims((ins.size,))
        kind = dtype_bits("uint8")
        arguments = f"i32 1, ptr {dims}, i32 {kind}, ptr %d{index}"
        f.define(ins.dst, lambda at: f.call("new_tensor", f"ptr {at}, {arguments}"))
        return
    arena = f.value("load ptr, ptr %arena")
    if isinstance(ins.size, int):
        offset = f.static_bytes
        f.static_bytes += max(ALIGNMENT, -(-ins.size // ALIGNMENT) * ALIGNMENT)
        place = f.value(f"getelementptr i8, ptr {arena}, i64 {offset}")
    else:
        place = _dynamic_storage(f, f.dim(ins.size), arena)
    f.emit(f"store ptr {place}, ptr %d{index}")


def _dynamic_storage(f: _Function, size: str, arena: str) -> str:
    f.dynamic = True
    capacity = f.value("load i64, ptr %capacity")
    place = f.value(
        f"call ptr @tilewright_arena_storage(ptr {arena}, i64 {capacity}, ptr %used, ptr %chain, "
        f"i64 {size})"
    )
    f.require(f.value(f"icmp ne ptr {place}, null"))
    return place


def _alloc_tensor(f: _Function, ins: AllocTensor) -> None:
    index, storage = ins.dst.index, ins.storage.index
    offset = f.dim(ins.offset)
    if index in f.registers.local:
        base = f.value(f"load ptr, ptr %d{storage}")
        place = f.value(f"getelementptr i8, ptr {base}, i64 {offset}")
        f.emit(f"store ptr {place}, ptr %d{index}")
        return
    dims = f.dims(ins.dims)
    shape = f"i32 {len(ins.dims)}, ptr {dims}, i32 {dtype_bits(ins.dtype)}, ptr %d{index}"
    f.define(
        ins.dst, lambda at: f.call("view", f"ptr %r{storage}, i64 {offset}, ptr {at}, {shape}")
    )
    f._knows(index)


def _new_tensor(f: _Function, ins: NewTensor) -> None:
    _host_only(ins.device_index, ins.span)
    index = ins.dst.index
    dims = f.dims(ins.dims)
    shape = f"i32 {len(ins.dims)}, ptr {dims}, i32 {dtype_bits(ins.dtype)}, ptr %d{index}"
    f.define(ins.dst, lambda at: f.call("new_tensor", f"ptr {at}, {shape}"))
    f._knows(index)


def _kill(f: _Function, ins: KillReg) -> None:
    index = ins.reg.index
    if f.registers.owned(index, len(f.function.params)):
        f.emit(f"call void @tilewright_release(ptr %r{index})")
    f.known.discard(index)


def _call_kernel(f: _Function, ins: CallKernel) -> None:
    context = ins.span or ins.symbol
    pointers = [f"ptr {f.data(t, context)}" for t in ins.tensors]
    kinds = ins.scalar_dtypes or ("",) * len(ins.scalars)
    scalars = [_scalar(f, s, k, context) for s, k in zip(ins.scalars, kinds, strict=True)]
    arguments = [*pointers, *scalars]
    types = ", ".join(a.split(" ", 1)[0] for a in arguments)
    if ins.symbol in f.module.failing:
        symbol = f.module.declare(ins.symbol, "i32", types)
        f.check(f.value(f"call i32 {symbol}({', '.join(arguments)})"))
    else:
        symbol = f.module.declare(ins.symbol, "void", types)
        f.emit(f"call void {symbol}({', '.join(arguments)})")


_SCALAR_TYPES = {
    "": "i64", "int64": "i64", "uint64": "i64", "int32": "i32", "uint32": "i32", "int16": "i16",
    "uint16": "i16", "int8": "i8", "uint8": "i8", "bool": "i1", "float64": "double",
    "float32": "float", "float16": "half", "bfloat16": "bfloat",
}  # fmt: skip
_FLOATS = ("double", "float", "half", "bfloat")


def _scalar(f: _Function, operand: Operand | int, dtype: str, context: str) -> str:
    """The operand as a C value of that type (default: int64, or float64 for a float)."""
    if not dtype and isinstance(operand, Imm) and isinstance(operand.value, float):
        dtype = "float64"
    kind = _SCALAR_TYPES.get(dtype)
    if kind is None:
        raise CompileError(f"{context}: a kernel cannot take a scalar of type {dtype!r}")
    if kind in _FLOATS:
        return _float_scalar(f, operand, kind, context)
    if isinstance(operand, Imm) and isinstance(operand.value, (bool, int, float)):
        value = str(int(operand.value))
    elif isinstance(operand, Reg):
        where = f.module.string(context)
        f.call("as_int", f"ptr %r{operand.index}, ptr %scratch, ptr {where}")
        value = f.value("load i64, ptr %scratch")
    elif isinstance(operand, (Slot, DimOp, int)):
        value = f.dim(operand)
    else:
        raise CompileError(f"{context}: {operand} is no scalar")
    if kind == "i64":
        return f"i64 {value}"
    return f"{kind} {f.value(f'trunc i64 {value} to {kind}')}"


def _float_scalar(f: _Function, operand: Operand | int, kind: str, context: str) -> str:
    if isinstance(operand, Imm) and isinstance(operand.value, (bool, int, float)):
        value = f"0x{struct.unpack('<Q', struct.pack('<d', float(operand.value)))[0]:016X}"
    elif isinstance(operand, Reg):
        where = f.module.string(context)
        f.call("as_float", f"ptr %r{operand.index}, ptr %scratch, ptr {where}")
        value = f.value("load double, ptr %scratch")
    elif isinstance(operand, (Slot, DimOp, int)):
        value = f.value(f"sitofp i64 {f.dim(operand)} to double")
    else:
        raise CompileError(f"{context}: {operand} is no scalar")
    if kind == "double":
        return f"double {value}"
    if kind == "bfloat":  # by way of float32, as NumPy's type does
        value = f.value(f"fptrunc double {value} to float")
        return f"bfloat {f.value(f'fptrunc float {value} to bfloat')}"
    return f"{kind} {f.value(f'fptrunc double {value} to {kind}')}"


def _call_packed(f: _Function, ins: CallPacked) -> None:
    if ins.name in f.module.executable.functions or ins.name in f.module.packed:
        _direct_call(f, ins.name, ins.args, ins.dst)
        return
    cache, name = f.module.global_cache(ins.name)
    arguments = f.arguments(ins.args)
    f.define(
        ins.dst,
        lambda at: f.call("call_global", f"ptr {cache}, ptr {name}, {arguments}, ptr {at}"),
    )


def _call_function(f: _Function, ins: CallFunction) -> None:
    _direct_call(f, ins.name, ins.args, ins.dst)


def _direct_call(f: _Function, name: str, args: Sequence[Operand], dst: Reg | None) -> None:
    arguments = f.arguments(args)
    symbol = f.module.declare(f"__tvm_ffi_{name}", "i32", "ptr, ptr, i32, ptr")
    f.define(
        dst, lambda at: f.check(f.value(f"call i32 {symbol}(ptr null, {arguments}, ptr {at})"))
    )


def _make_closure(f: _Function, ins: MakeClosure) -> None:
    arguments = f.arguments(ins.captured)
    symbol = f.module.declare(f"__tvm_ffi_{ins.function}", "i32", "ptr, ptr, i32, ptr")
    owner = f.value("load ptr, ptr @tilewright_module_owner")
    f.define(
        ins.dst,
        lambda at: f.call("make_closure", f"ptr {symbol}, ptr {owner}, {arguments}, ptr {at}"),
    )


def _call_closure(f: _Function, ins: CallClosure) -> None:
    arguments = f.arguments(ins.args)
    closure = f.any(ins.closure)
    f.define(
        ins.dst, lambda at: f.call("call_value", f"ptr {closure}, {arguments}, ptr {at}")
    )


def _make_tuple(f: _Function, ins: MakeTuple) -> None:
    arguments = f.arguments(ins.items)
    f.define(ins.dst, lambda at: f.call("make_tuple", f"{arguments}, ptr {at}"))


def _get_item(f: _Function, ins: GetItem) -> None:
    source = f.any(ins.tuple)
    f.define(ins.dst, lambda at: f.call("get_item", f"ptr {source}, i64 {ins.index}, ptr {at}"))


def _move(f: _Function, ins: Move) -> None:
    index = ins.dst.index
    if index in f.registers.local and isinstance(ins.src, Reg):
        pointer = f.value(f"load ptr, ptr %d{ins.src.index}")
        f.emit(f"store ptr {pointer}, ptr %d{index}")
        return
    source = f.any(ins.src)
    f.define(ins.dst, lambda at: f.call("own", f"ptr {source}, ptr {at}"))


def _if(f: _Function, ins: If) -> None:
    if isinstance(ins.condition, (Slot, DimOp)):
        holds = f.value(f"icmp ne i64 {f.dim(ins.condition)}, 0")
    else:
        truth = f.value(f"call i32 @tilewright_truth(ptr {f.any(ins.condition)})")
        f.require(f.value(f"icmp sge i32 {truth}, 0"))
        holds = f.value(f"icmp ne i32 {truth}, 0")
    follow = f.fresh()
    f.emit(f"br i1 {holds}, label %{follow}, label %i{ins.else_target}")
    f._block(follow)


def _goto(f: _Function, ins: Goto) -> None:
    f.emit(f"br label %i{ins.target}")
    f._block(f.fresh())


def _ret(f: _Function, ins: Ret) -> None:
    source = ins.src
    if isinstance(source, Reg) and f.registers.owned(source.index, len(f.function.params)):
        f.copy(f"%r{source.index}", "%ret")
        f.emit(f"store i64 0, ptr %r{source.index}")
    else:
        f.call("own", f"ptr {f.any(source)}, ptr %ret")
    f.emit("br label %cleanup")
    f._block(f.fresh())


_EMITTERS: dict[type[Instruction], Callable[..., None]] = {
    CheckTensor: _check_tensor,
    CheckShape: _check_shape,
    CheckTuple: _check_tuple,
    BindScalar: _bind_scalar,
    SetSlot: _set_slot,
    MakeShape: _make_shape,
    AllocStorage: _alloc_storage,
    AllocTensor: _alloc_tensor,
    NewTensor: _new_tensor,
    KillReg: _kill,
    CallKernel: _call_kernel,
    CallPacked: _call_packed,
    CallFunction: _call_function,
    MakeClosure: _make_closure,
    CallClosure: _call_closure,
    MakeTuple: _make_tuple,
    GetItem: _get_item,
    Move: _move,
    If: _if,
    Goto: _goto,
    Ret: _ret,
}

_DECLARATIONS = """
declare i32 @tilewright_check_count(i32, i32, ptr, ptr)
declare i32 @tilewright_check_tensor(ptr, ptr, ptr, ptr)
declare i32 @tilewright_check_shape(ptr, ptr, ptr)
declare i32 @tilewright_check_tuple(ptr, i64, ptr)
declare i32 @tilewright_as_int(ptr, ptr, ptr)
declare i32 @tilewright_as_float(ptr, ptr, ptr)
declare i32 @tilewright_truth(ptr)
declare i32 @tilewright_tensor_data(ptr, ptr, ptr)
declare void @tilewright_release(ptr)
declare i32 @tilewright_own(ptr, ptr)
declare i32 @tilewright_new_tensor(ptr, i32, ptr, i32, ptr)
declare i32 @tilewright_view(ptr, i64, ptr, i32, ptr, i32, ptr)
declare i32 @tilewright_get_item(ptr, i64, ptr)
declare i32 @tilewright_call_global(ptr, ptr, ptr, i32, ptr)
declare i32 @tilewright_call_value(ptr, ptr, i32, ptr)
declare i32 @tilewright_make_tuple(ptr, i32, ptr)
declare i32 @tilewright_make_shape(ptr, i32, ptr)
declare i32 @tilewright_make_closure(ptr, ptr, ptr, i32, ptr)
declare ptr @tilewright_arena_take(ptr, i64)
declare void @tilewright_arena_give(ptr, ptr)
declare void @tilewright_arena_clear(ptr)
declare ptr @tilewright_arena_storage(ptr, i64, ptr, ptr, i64)
declare void @tilewright_arena_finish(ptr, i64, ptr)
declare void @tilewright_division_by_zero()
declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
!0 = !{!"branch_weights", i32 1000, i32 1}
"""

__all__ = ["ALIGNMENT", "FAILING_KERNELS", "dtype_bits", "vm_ir"]
