"""Text of LLVM IR for compiled virtual-machine functions: modules, functions, values.

What single instructions become is said in `vm_instructions`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence

from tilewright.ffi import dtype as ffi_dtype
from tilewright.runtime.executable import (
    AllocStorage,
    Const,
    Dim,
    DimOp,
    Executable,
    Goto,
    Imm,
    Instruction,
    Operand,
    Reg,
    Ret,
    Slot,
    VMFunction,
)
from tilewright.support.errors import CompileError, listing

from .threadpool import c_string
from .vm_memory import plan_memory
from .vm_registers import classify, targets

TENSOR = 70
_PLAIN_SYMBOL = re.compile(r"[A-Za-z_.$][\w.$]*", re.ASCII)


class ModuleEmitter:
    """Constants, declarations and functions of one LLVM module."""

    def __init__(
        self,
        executable: Executable,
        packed: frozenset[str],
        failing: frozenset[str],
        emitters: Emitters,
    ) -> None:
        self.emitters = emitters
        self.executable = executable
        self.packed = packed
        self.failing = failing
        self.declarations: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        self.arenas: list[str] = []

    def text(self) -> str:
        """The whole module."""
        functions = [
            FunctionEmitter(self, function).text()
            for function in self.executable.functions.values()
        ]
        constants = [f"{name} = private constant {c}" for c, name in self.constants.items()]
        return "\n".join(
            [_DECLARATIONS, self._tables(), *constants, *functions, self._release()]
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
        """A function that gives back what the module holds, called before it is unloaded."""
        clear = [f"  call void @tilewright_arena_clear(ptr {slots})" for slots in self.arenas]
        return "\n".join(["define void @tilewright_module_release() {", *clear, "  ret void\n}"])

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
        if f"{quoted}(" not in _DECLARATIONS:
            self.declarations.setdefault(symbol, f"declare {returns} {quoted}({params})")
        return quoted

    def name_bytes(self, name: str) -> str:
        """The name of a `TVMFFIByteArray` with that text."""
        size = len(name.encode())
        return self.constant(f"{{ ptr, i64 }} {{ ptr {self.string(name)}, i64 {size} }}")


def quote(symbol: str) -> str:
    """`@symbol` as LLVM writes it."""
    if _PLAIN_SYMBOL.fullmatch(symbol):
        return f"@{symbol}"
    escaped = symbol.replace("\\", "\\5C").replace('"', "\\22").replace("\n", "\\0A")
    return f'@"{escaped}"'


class FunctionEmitter:
    """Emits one function, instruction by instruction."""

    def __init__(self, module: ModuleEmitter, function: VMFunction) -> None:
        self.module = module
        self.function = function
        self.registers = classify(function, module.executable)
        self.lines: list[str] = []
        self.count = 0
        self.labels = {t for ins in function.instructions for t in targets(ins)}
        self.known: set[int] = set()  # registers whose data pointer is at hand
        self.pinned: set[int] = set()  # those for which that holds to the end
        self.in_entry = True
        self.plan = plan_memory(function, self.registers)
        self.index = 0  # of the instruction at hand
        self.span = ""  # what the instruction comes from
        self.exits: dict[str, str] = {}  # span -> the block that adds it to an error
        self.places: dict[int, str] = {}  # AllocStorage instruction -> its memory
        self.copies: list[str] = []
        self.dynamic = False  # whether some storage has a size known only at run time
        self.max_args = 1
        self.max_dims = 1
        self.arena_taken = False
        self.name = f"tw.{len(module.arenas)}.{function.name}"

    # ---- text ----------------------------------------------------------------------------------

    def emit(self, line: str) -> None:
        """Adds an instruction of LLVM."""
        self.lines.append(f"  {line}")

    def value(self, expression: str) -> str:
        """A new SSA value with that definition."""
        self.count += 1
        self.emit(f"%t{self.count} = {expression}")
        return f"%t{self.count}"

    def fresh(self) -> str:
        """A new label."""
        self.count += 1
        return f"b{self.count}"

    def label(self, name: str) -> None:
        """Starts a block."""
        self.lines.append(f"{name}:")

    def check(self, status: str) -> None:
        """Goes to the error exit unless `status` is 0."""
        good = self.value(f"icmp eq i32 {status}, 0")
        self.require(good)

    def require(self, condition: str) -> None:
        """Goes to the error exit, the error being set, unless `condition` holds."""
        follow = self.fresh()
        self.emit(f"br i1 {condition}, label %{follow}, label %{self.failure()}, !prof !0")
        self.label(follow)

    def failure(self) -> str:
        """Where an instruction goes that has failed: its place is added to the error."""
        if not self.span:
            return "error"
        return self.exits.setdefault(self.span, f"exit{len(self.exits)}")

    def promise(self, condition: str, message: str) -> None:
        """Raises `ArgumentError` with that message unless `condition` holds."""
        follow, broken = self.fresh(), self.fresh()
        self.emit(f"br i1 {condition}, label %{follow}, label %{broken}, !prof !0")
        self.label(broken)
        self.emit(f"call void @tilewright_raise(ptr {self.module.string(message)})")
        self.emit(f"br label %{self.failure()}")
        self.label(follow)

    def call(self, name: str, arguments: str) -> None:
        """Calls a helper that returns a status."""
        self.check(self.value(f"call i32 @tilewright_{name}({arguments})"))

    def text(self) -> str:
        """The whole function."""
        function = self.function
        for at, instruction in enumerate(function.instructions):
            if at in self.labels:
                self.emit(f"br label %i{at}")
                self.block(f"i{at}")
            if self._starts_arena(instruction):
                self._take_arena()
            emitter = self.module.emitters.get(type(instruction))
            if emitter is None:
                raise CompileError(f"no native code for {type(instruction).__name__}")
            self.index, self.span = at, getattr(instruction, "span", "")
            emitter(self, instruction)
        if not function.instructions or not isinstance(function.instructions[-1], (Ret, Goto)):
            self.emit("br label %cleanup")
        else:
            self.emit("unreachable")
        body, self.span = self.lines, ""
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

    def block(self, name: str) -> None:
        """Starts a block that other blocks may reach as well."""
        self.label(name)
        self.in_entry = False
        self.known = set(self.pinned)

    def _globals(self) -> list[str]:
        if not self._uses_arena:
            return []
        slots = quote(self.name + ".arena")
        self.module.arenas.append(slots)
        needed = quote(self.name + ".needed")
        return [
            f"{needed} = internal global i64 {self.plan.static_bytes}, align 8",
            f"{slots} = internal global [8 x ptr] zeroinitializer, align 64",
        ]

    @property
    def _uses_arena(self) -> bool:
        return self.plan.static_bytes > 0 or self.dynamic

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
        for name in self.copies:
            self.emit(f"{name} = alloca {{ i64, i64 }}, align 16\n  store i64 0, ptr {name}")
        if self._uses_arena:
            self.emit("%arena = alloca ptr\n  store ptr null, ptr %arena")
            self.emit("%capacity = alloca i64")
            self.emit(f"%used = alloca i64\n  store i64 {self.plan.static_bytes}, ptr %used")
            self.emit("%chain = alloca ptr\n  store ptr null, ptr %chain")
        self._check_count()
        for i in range(len(function.params)):
            self._parameter(i)
        if self._uses_arena and not self.arena_taken:
            self._take_arena()

    def _check_count(self) -> None:
        expected = len(self.function.params)
        names = f" ({listing(self.function.params)})" if expected else ""
        plural = "" if expected == 1 else "s"
        text = f"{self.function.name} takes {expected} argument{plural}{names}"
        self.call("check_count", f"i32 %count, i32 {expected}, ptr {self.module.string(text)}")

    def _parameter(self, index: int) -> None:
        source = self.value(f"getelementptr {{ i64, i64 }}, ptr %args, i64 {index}")
        if index in self.registers.owned_params:
            self.call("own", f"ptr {source}, ptr %r{index}")
        else:
            self.emit(f"call void @tilewright_parameter(ptr {source}, ptr %r{index})")

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
        for span, name in self.exits.items():
            self.label(name)
            self.emit(f"call void @tilewright_locate(ptr {self.module.string(span)})")
            self.emit("br label %error")
        self.label("error")
        self.emit("store i32 -1, ptr %rc")
        self.emit("br label %cleanup")
        self.label("cleanup")
        params = len(self.function.params)
        for register in sorted(self.registers.boxed):
            if self.registers.owned(register, params):
                self.emit(f"call void @tilewright_release(ptr %r{register})")
        for name in self.copies:
            self.emit(f"call void @tilewright_release(ptr {name})")
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
        """Copies a value's 16 bytes."""
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
        self.promise(self.value(f"icmp ne i64 {b}, 0"), "a dimension is divided by zero")
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
            self.emit(f"store i64 {value}, ptr {self.at('%dims', 'i64', i)}")
        return "%dims"

    def at(self, base: str, kind: str, index: int) -> str:
        """The address of an element."""
        return self.value(f"getelementptr {kind}, ptr {base}, i64 {index}") if index else base

    def store_any(self, operand: Operand | int, target: str) -> None:
        """Writes a view of the operand to `target`."""
        if isinstance(operand, Reg):
            if operand.index in self.registers.local:
                self._store_view(operand.index, target)
            else:
                self.copy(f"%r{operand.index}", target)
            return
        tag, payload = self._immediate(operand)
        self.emit(f"store i64 {tag}, ptr {target}")
        self.emit(f"store {payload}, ptr {self.at(target, 'i64', 1)}")

    def _store_view(self, index: int, target: str) -> None:
        """Writes a `DLTensor*` of a local tensor; the tensor must not be kept by who gets it."""
        dims = self.registers.shapes[index]
        rank = len(dims)
        shape = self.value(f"alloca [{2 * rank} x i64]")
        stride = "1"
        for i in reversed(range(rank)):
            size = self.dim(dims[i])
            self.emit(f"store i64 {size}, ptr {self.at(shape, 'i64', i)}")
            self.emit(f"store i64 {stride}, ptr {self.at(shape, 'i64', rank + i)}")
            stride = self.value(f"mul i64 {stride}, {size}")
        strides = self.at(shape, "i64", rank)
        data = self.value(f"load ptr, ptr %d{index}")
        kind = dtype_bits(self.registers.dtypes[index])
        whole = "{ ptr, i32, i32, i32, i32, ptr, ptr, i64 }"
        tensor = self.value(f"alloca {whole}")
        fields = (
            f"ptr {data}", "i32 1", "i32 0", f"i32 {rank}", f"i32 {kind}", f"ptr {shape}",
            f"ptr {strides}", "i64 0",
        )  # fmt: skip
        for i, field in enumerate(fields):
            place = self.value(f"getelementptr {whole}, ptr {tensor}, i32 0, i32 {i}")
            self.emit(f"store {field}, ptr {place}")
        self.emit(f"store i64 7, ptr {target}")
        self.emit(f"store ptr {tensor}, ptr {self.at(target, 'i64', 1)}")

    def own_local(self, index: int) -> str:
        """A place that holds a copy of a local tensor until the function ends."""
        name = f"%copy{len(self.copies)}"
        self.copies.append(name)
        self._store_view(index, "%scratch")
        self.emit(f"call void @tilewright_release(ptr {name})")
        self.call("own", f"ptr %scratch, ptr {name}")
        return name

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

    def arguments(self, operands: Sequence[Operand], *, copied: bool = False) -> str:
        """Fills the argument array; `ptr, i32 count`. Local tensors are copied, or lent."""
        self.max_args = max(self.max_args, len(operands))
        for i, operand in enumerate(operands):
            place = self.at("%call.args", "{ i64, i64 }", i)
            if copied and isinstance(operand, Reg) and operand.index in self.registers.local:
                self.copy(self.own_local(operand.index), place)
            else:
                self.store_any(operand, place)
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
            self.knows(index)
        return self.value(f"load ptr, ptr %d{index}")

    def knows(self, index: int) -> None:
        """The register's data pointer is at hand from here on."""
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


Emitters = dict[type[Instruction], Callable[..., None]]

_DECLARATIONS = """
declare i32 @tilewright_check_count(i32, i32, ptr)
declare i32 @tilewright_check_tensor(ptr, ptr, ptr, ptr)
declare i32 @tilewright_check_shape(ptr, ptr, ptr)
declare i32 @tilewright_check_tuple(ptr, i64, ptr)
declare i32 @tilewright_as_int(ptr, ptr, ptr)
declare i32 @tilewright_as_float(ptr, ptr, ptr)
declare i32 @tilewright_truth(ptr)
declare i32 @tilewright_tensor_data(ptr, ptr, ptr)
declare void @tilewright_release(ptr)
declare void @tilewright_parameter(ptr, ptr)
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
declare void @tilewright_raise(ptr)
declare void @tilewright_locate(ptr)
declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
!0 = !{!"branch_weights", i32 1000, i32 1}
"""
