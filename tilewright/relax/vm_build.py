"""From Relax functions to the instruction lists of the executable.

The input has no dataflow blocks, kernels are called in destination-passing style and memory is
planned (see `pipeline.default_build_pipeline`). Each variable becomes a register, each symbolic
dimension a slot, each kernel a bare symbol whose symbolic dimensions are scalar parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.expr import FloatImm, GlobalVar, IntImm, PrimExpr
from ..ir.module import IRModule
from ..ir.op import Op
from ..runtime.constants import constant_tensor
from ..runtime.executable import (
    BindDim,
    BindScalar,
    CallClosure,
    CallFunction,
    CallKernel,
    CallPacked,
    CheckedDim,
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
    MakeShape,
    MakeTuple,
    Move,
    Operand,
    Reg,
    Ret,
    SetSlot,
    Slot,
    VMFunction,
)
from ..runtime.ndarray import Tensor
from ..support.errors import CompileError
from ..support.span import Span
from ..tir.expr import Var as TirVar
from ..tir.function import PrimFunc
from . import expr as rx
from .analysis.relations import Unifier
from .analysis.variables import uses_of
from .base import Expr, ShapeExpr, StructInfo
from .dims import simplify
from .expr import Call, Function, Tuple, Var
from .struct_info import (
    PrimStructInfo,
    ShapeStructInfo,
    TensorStructInfo,
    TupleStructInfo,
)
from .te import free_vars
from .vm_dims import Slots
from .vm_rules import CALLS, OPERANDS


def explicit_scalars(func: PrimFunc) -> tuple[PrimFunc, list[TirVar]]:
    """`func` with arrays first, then its scalar parameters, then the symbolic dimensions that its
    arrays imply as further scalars; those dimensions."""
    arrays = [p for p in func.params if p in func.buffer_map]
    scalars = [p for p in func.params if p not in func.buffer_map]
    implied = free_vars(func)
    params = (*arrays, *scalars, *implied)
    return func.replace(params=params), implied


class Pool:
    """The constants of an executable, each array once."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.known: dict[int, tuple[Any, Const]] = {}

    def add(self, array: np.ndarray[Any, Any]) -> Const:
        """The place of `array` in the pool."""
        root = array if array.base is None else array.base
        key = hash((id(root), array.__array_interface__["data"][0], array.shape, array.strides))
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = (array, Const(len(self.tensors)))
            self.tensors.append(constant_tensor(array))
        return found[1]


class FunctionBuilder:
    """Lowers one Relax function."""

    def __init__(self, module: ModuleBuilder, name: str, func: Function) -> None:
        self.module: ModuleBuilder = module
        self.name = name
        self.func = func
        self.slots = Slots(name)
        self.code: list[Any] = []
        self.registers: dict[Var, Operand] = {}
        self.count = 0
        self.span = ""
        self.owned: set[Var] = set()
        self.computed: dict[DimOp, Slot] = {}
        self.places: dict[Reg, tuple[Any, Dim]] = {}  # tensors in storages

    def build(self) -> VMFunction:
        """The function's instructions."""
        for param in self.func.params:
            self.registers[param] = self.new_register()
        self._check_parameters()
        result = self.sequence(self.func.body)
        self.emit(Ret(result, span=self.span))
        return VMFunction(
            self.name,
            tuple(p.name_hint for p in self.func.params),
            self.count,
            len(self.slots.slots),
            tuple(self.code),
            self.slots.names(),
            {"num_input": int(self.func.attrs.get("num_input", len(self.func.params)))},
        )

    def new_register(self) -> Reg:
        """A register that nothing else uses."""
        self.count += 1
        return Reg(self.count - 1)

    def emit(self, instruction: Instruction) -> int:
        """Appends an instruction; its index."""
        self.code.append(instruction)
        return len(self.code) - 1

    # checks

    def _check_parameters(self) -> None:
        again: list[tuple[StructInfo, Operand, str]] = []
        for param in self.func.params:
            context = f"argument `{param.name_hint}`"
            register = self.registers[param]
            if self.check(param.struct_info, register, context):  # type: ignore[arg-type]
                again.append((param.struct_info, register, context))  # type: ignore[arg-type]
        for info, register, context in again:
            if self.check(info, register, context):
                raise CompileError(
                    f"{context}: not every symbolic dimension of `{info}` is bound",
                    hint="let a parameter have the dimension by itself",
                )

    def check(self, info: StructInfo, value: Operand, context: str) -> bool:
        """Emits the checks that `value` is as described, binding dimensions; True if some
        compound dimension could not be checked yet."""
        if isinstance(info, TensorStructInfo):
            return self._check_tensor(info, value, context)
        if isinstance(info, ShapeStructInfo):
            if info.values is None:
                return False
            dims, open_ = self.checked_dims(info.values)
            self.emit(CheckShape(value, dims, context, span=self.span))
            return open_
        if isinstance(info, TupleStructInfo):
            return self._check_tuple(info, value, context)
        dim = info.value if isinstance(info, PrimStructInfo) else None
        if isinstance(dim, TirVar) and dim not in self.slots.slots:
            self.emit(BindScalar(self.slots.bind(dim), value, context, span=self.span))
        return False

    def _check_tensor(self, info: TensorStructInfo, value: Operand, context: str) -> bool:
        dims, open_ = self.checked_dims(info.dims or ())
        device = getattr(info.vdevice, "vdevice_id", 0) if info.vdevice is not None else 0
        self.emit(
            CheckTensor(value, info.dtype or None, info.ndim, dims, context, device, self.span)
        )
        return open_

    def _check_tuple(self, info: TupleStructInfo, value: Operand, context: str) -> bool:
        self.emit(CheckTuple(value, len(info.items), context, span=self.span))
        open_ = False
        for index, item in enumerate(info.items):
            register = self.new_register()
            self.emit(GetItem(register, value, index, span=self.span))
            open_ |= self.check(item, register, f"item {index} of {context}")
        return open_

    def checked_dims(self, dims: Sequence[PrimExpr]) -> tuple[tuple[CheckedDim, ...], bool]:
        """The dimensions as checks: a variable that is new is bound; what cannot be computed yet is
        left open (True)."""
        out: list[CheckedDim] = []
        open_ = False
        for dim in dims:
            if isinstance(dim, TirVar) and dim not in self.slots.slots:
                out.append(BindDim(self.slots.bind(dim)))
            elif self.slots.knows(dim):
                out.append(self.slots.dim(dim))
            else:
                out.append(None)
                open_ = True
        return tuple(out), open_

    # values

    def operand(self, value: Expr) -> Operand:
        """An operand that holds a leaf expression."""
        rule = OPERANDS.get(type(value))
        if rule is None:
            raise CompileError(
                f"a {type(value).__name__} cannot be an argument in `{self.name}`", value.span
            )
        return rule(self, value)

    def dims(self, shape: Expr) -> tuple[Dim, ...]:
        """The dimensions of a shape expression."""
        values = shape.values if isinstance(shape, ShapeExpr) else shape.struct_info.values
        if values is None:
            raise CompileError(f"the shape `{shape}` is not known", shape.span)
        return tuple(self.slots.dim(d) for d in values)

    def shape(self, value: ShapeExpr) -> Reg:
        """A register with a shape."""
        register = self.new_register()
        self.emit(MakeShape(register, self.dims(value), span=self.span))
        return register

    def tuple(self, value: Tuple) -> Reg:
        """A register with a tuple."""
        items = tuple(self.operand(i) for i in value.items)
        register = self.new_register()
        self.emit(MakeTuple(register, items, span=self.span))
        return register

    def kept(self, dim: Dim) -> Dim:
        """`dim`, computed once into a slot if it is an operation."""
        if not isinstance(dim, DimOp):
            return dim
        slot = self.computed.get(dim)
        if slot is None:
            slot = self.computed[dim] = self.slots.bind(TirVar("offset", "int64"))
            self.emit(SetSlot(slot, dim))
        return slot

    def scalar(self, value: PrimExpr) -> Operand:
        """A scalar: a number, or a computation on slots."""
        if isinstance(value, FloatImm):
            return Imm(value.value)
        if isinstance(value, IntImm):
            return Imm(bool(value.value) if value.dtype == "bool" else value.value)
        return self.slots.dim(simplify(value))  # type: ignore[return-value]

    # control

    def sequence(self, seq: rx.SeqExpr) -> Operand:
        """The bindings' instructions; the operand of the result."""
        bindings: list[Any] = list(seq.bindings())
        same: dict[Var, Var] = {}  # another name of a value -> its first name
        last: dict[Var, int] = {}
        for index, binding in enumerate(bindings):
            for var in uses_of(binding.value):
                last[same.get(var, var)] = index
            if isinstance(binding.value, Var):
                same[binding.var] = same.get(binding.value, binding.value)
        kept = {same.get(v, v) for v in uses_of(seq.body)}
        born = {b.var for b in bindings}
        for index, binding in enumerate(bindings):
            self.span = _text(binding.value.span or binding.span)
            self.binding(binding)
            for var in {same.get(v, v): None for v in uses_of(binding.value)}:
                if last[var] == index and var in born and var not in kept:
                    self._release(var)
        if isinstance(seq.body, Var):
            return self.operand(seq.body)
        return self.value(seq.body)

    def _release(self, var: Var) -> None:
        register = self.registers.get(var)
        if var in self.owned and isinstance(register, Reg):
            self.emit(KillReg(register))
            self.owned.discard(var)

    def binding(self, binding: Any) -> None:
        """The instructions of one binding."""
        if isinstance(binding, rx.MatchCast):
            value = self.operand(binding.value)
            context = f"match_cast of `{binding.var.name_hint}` in `{self.name}`"
            if self.check(binding.struct_info, value, context):
                raise CompileError(f"{context} uses a dimension that is not bound", binding.span)
            self.registers[binding.var] = value
            return
        value = self.value(binding.value)
        self.registers[binding.var] = value
        if isinstance(binding.value, Call) and self._owns(binding.value):
            self.owned.add(binding.var)

    @staticmethod
    def _owns(call: Call) -> bool:
        """True if the result has memory of its own, to be given back after the last use."""
        name = call.op.name if isinstance(call.op, Op) else ""
        return name == "relax.builtin.alloc_tensor" or isinstance(call.op, (rx.ExternFunc,))

    def value(self, value: Expr) -> Operand:
        """The operand that holds a bound value."""
        if isinstance(value, Call):
            return self.call(value)
        if isinstance(value, rx.TupleGetItem):
            register = self.new_register()
            self.emit(
                GetItem(register, self.operand(value.tuple_value), value.index, span=self.span)
            )
            return register
        if isinstance(value, rx.If):
            return self.conditional(value)
        if isinstance(value, rx.SeqExpr):
            return self.sequence(value)
        return self.operand(value)

    def conditional(self, value: rx.If) -> Reg:
        """`If cond else L; yes...; Move; Goto E; L: no...; Move; E:`"""
        result = self.new_register()
        branch = self.emit(If(self.operand(value.cond), 0, span=self.span))
        slots, computed = dict(self.slots.slots), dict(self.computed)
        self.emit(Move(result, self.sequence(value.true_branch), span=self.span))
        leave = self.emit(Goto(0))
        self.code[branch] = If(self.code[branch].condition, len(self.code), span=self.span)
        self._forget(slots)
        self.computed = dict(computed)
        self.emit(Move(result, self.sequence(value.false_branch), span=self.span))
        self.code[leave] = Goto(len(self.code))
        self._forget(slots)
        self.computed = computed
        return result

    def _forget(self, known: dict[TirVar, Any]) -> None:
        """Dimensions bound in a branch keep their slots but are bound anew elsewhere."""
        for var in [v for v in self.slots.slots if v not in known]:
            renamed = TirVar(var.name, var.dtype)
            self.slots.slots = {
                (renamed if v is var else v): slot for v, slot in self.slots.slots.items()
            }

    # calls

    def call(self, call: Call) -> Operand:
        """The instructions of a call; the operand of its result."""
        if isinstance(call.op, Op):
            rule = CALLS.get(call.op.name)
            if rule is None:
                raise CompileError(
                    f"operator {call.op.name} has no kernel for these arguments",
                    call.span,
                    hint="its shapes or dtypes may be unknown at compile time, "
                    "or it declares no lowering",
                )
            return rule(self, call)
        if isinstance(call.op, GlobalVar):
            return self.call_global(call.op, call)
        args = tuple(self.operand(a) for a in call.args)
        register = self.new_register()
        if isinstance(call.op, rx.ExternFunc):
            self.emit(CallPacked(call.op.global_symbol, args, register, span=self.span))
        else:
            self.emit(CallClosure(register, self.operand(call.op), args, span=self.span))
        return register

    def packed(self, name: str, *args: Operand) -> Reg:
        """A call of a packed function."""
        register = self.new_register()
        self.emit(CallPacked(name, tuple(args), register, span=self.span))
        return register

    def call_global(self, gvar: GlobalVar, call: Call) -> Operand:
        """A call of a function of the module."""
        kernel = self.module.kernels.get(gvar.name_hint)
        if kernel is not None:
            self._call_kernel(gvar.name_hint, kernel, call.args)
            return Imm(None)
        if gvar.name_hint not in self.module.functions:
            raise CompileError(f"the module has no function `{gvar.name_hint}`", call.span)
        args = tuple(self.operand(a) for a in call.args)
        register = self.new_register()
        self.emit(CallFunction(gvar.name_hint, args, register, span=self.span))
        return register

    def _call_kernel(self, name: str, kernel: Kernel, args: Sequence[Expr]) -> None:
        func = kernel.original
        if len(args) != len(func.params):
            raise CompileError(
                f"kernel `{name}` takes {len(func.params)} arguments, not {len(args)}"
            )
        tensors: list[Operand] = []
        scalars: list[Any] = []
        dtypes: list[str] = []
        unifier = Unifier()
        for param, arg in zip(func.params, args, strict=True):
            buffer = func.buffer_map.get(param)
            if buffer is None:
                value = arg.value if isinstance(arg, rx.PrimValue) else None
                scalars.append(self.operand(arg) if value is None else self.scalar(value))
                dtypes.append(param.dtype)
                continue
            tensors.append(self.operand(arg))
            dims = arg.struct_info.dims
            problem = unifier.dims(buffer.shape, dims) if dims is not None else "unknown shape"
            if problem:
                raise CompileError(f"array `{buffer.name}` of kernel `{name}`: {problem}")
        for var in kernel.implied:
            scalars.append(self.slots.dim(simplify(unifier.env[var])))
            dtypes.append(var.dtype)
        self.emit(CallKernel(name, tuple(tensors), tuple(scalars), tuple(dtypes), span=self.span))


def _text(span: Span | None) -> str:
    return "" if span is None else str(span)


class Kernel:
    """A kernel: as Relax calls it, and with explicit scalars."""

    def __init__(self, name: str, func: PrimFunc) -> None:
        self.original = func
        made, self.implied = explicit_scalars(func)
        self.func: PrimFunc = made.with_attr("global_symbol", name)


class ModuleBuilder:
    """Lowers the functions of a module."""

    def __init__(self, mod: IRModule) -> None:
        self.pool: Pool = Pool()
        self.functions = {
            var.name_hint: func for var, func in mod.items() if isinstance(func, Function)
        }
        self.kernels = {
            var.name_hint: Kernel(var.name_hint, func)
            for var, func in mod.items()
            if isinstance(func, PrimFunc)
        }

    def build(self) -> Executable:
        """The executable, without kernels."""
        lowered = {
            name: FunctionBuilder(self, name, func).build() for name, func in self.functions.items()
        }
        return Executable(lowered, self.pool.tensors)


def lower_to_executable(mod: IRModule) -> tuple[Executable, IRModule]:
    """The executable of the Relax functions of `mod` (its `kernels` still to be set) and the module
    of kernels to compile for it.

    Each kernel there has the global symbol that `CallKernel` names, its arrays first, then its
    scalars; symbolic dimensions are explicit scalars.
    """
    builder = ModuleBuilder(mod)
    executable = builder.build()
    kernels = {GlobalVar(name): kernel.func for name, kernel in builder.kernels.items()}
    return executable, mod.with_functions(kernels)  # type: ignore[arg-type]
