"""The interpreter: runs an executable's instructions one by one, in Python.

Each instruction is compiled once to a Python function of the frame, by the table `BUILDERS`. A step
returns None to go on, or the index of the next instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from tilewright.ffi import Array, Shape, core
from tilewright.support.errors import ArgumentError, RuntimeFailure, TVMError
from tilewright.support.span import model_span

from ..device import Device
from ..executable import (
    AllocStorage,
    AllocTensor,
    BindScalar,
    CallClosure,
    CallFunction,
    CallKernel,
    CallPacked,
    CheckShape,
    CheckTensor,
    CheckTuple,
    Const,
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
from ..module import as_module
from ..ndarray import Tensor, empty, tensor
from .checks import Subject, compile_check_shape, compile_check_tensor, describe_value
from .dims import compile_dim, compile_dims
from .kernels import bind_kernel

RETURN = -1


class Observer(Protocol):
    """Sees the calls of kernels and packed functions."""

    def before(self, name: str, span: str, function: Any, args: Sequence[Any]) -> bool:
        """Called before; False skips the call."""

    def after(self, name: str, span: str, function: Any, args: Sequence[Any], value: Any) -> None:
        """Called after, with the value returned."""


class Frame:
    """The state of one call."""

    __slots__ = ("interpreter", "observer", "registers", "result", "slots")

    def __init__(
        self, interpreter: Interpreter, function: VMFunction, args: Sequence[Any], observer: Any
    ) -> None:
        spare = function.num_registers - len(args)
        self.registers: list[Any] = [*args, *([None] * spare)]
        self.slots: list[int] = [0] * function.num_slots
        self.result: Any = None
        self.interpreter = interpreter
        self.observer: Observer | None = observer


Step: TypeAlias = Callable[[Frame], "int | None"]
Getter: TypeAlias = Callable[[Frame], Any]
I = TypeVar("I", bound=Instruction)


@dataclass(frozen=True)
class Closure:
    """A function of an executable with the values it captured, which follow its arguments."""

    interpreter: Interpreter
    function: str
    captured: tuple[Any, ...]

    def __call__(self, *args: Any) -> Any:
        return self.interpreter.call(self.function, (*args, *self.captured))

    def __tvm_ffi_object__(self) -> Any:
        return core._convert_to_opaque_object(self)


class Interpreter:
    """Runs the functions of one executable. Safe to use from many threads at once."""

    def __init__(
        self,
        executable: Executable,
        devices: Sequence[Device],
        find_packed: Callable[[str], Callable[..., Any]],
        allocate: Callable[..., Tensor] = empty,
    ) -> None:
        self.executable = executable
        self.devices = list(devices)
        self.find_packed = find_packed
        self.allocate = allocate
        self._programs: dict[str, list[Step]] = {}
        self.kernels = None if executable.kernels is None else as_module(executable.kernels)

    def program(self, function: VMFunction) -> list[Step]:
        """The function's steps, compiled at the first call."""
        steps = self._programs.get(function.name)
        if steps is None:
            builder = Builder(self, function)
            steps = [builder.build(instruction) for instruction in function.instructions]
            self._programs[function.name] = steps
        return steps

    def prepare(self, name: str) -> None:
        """Compiles the function and all that it may call, so that calls are not slowed by it."""
        done: set[str] = set()
        todo = [name]
        while todo:
            function = self.executable.functions[todo.pop()]
            done.add(function.name)
            self.program(function)
            for ins in function.instructions:
                callee = getattr(ins, _CALLEE.get(type(ins), ""), None)
                if callee is not None and callee not in done:
                    todo.append(callee)

    def call(self, name: str, args: Sequence[Any], observer: Observer | None = None) -> Any:
        """What the function returns for arguments as registers hold them."""
        function = self.executable.functions[name]
        if len(args) != len(function.params):
            raise ArgumentError(f"{name} takes {len(function.params)} arguments, {len(args)} given")
        steps = self.program(function)
        frame = Frame(self, function, args, observer)
        index = 0
        try:
            while index >= 0:
                target = steps[index](frame)
                index = index + 1 if target is None else target
        except Exception as error:
            _locate(error, function, index)
            raise
        return frame.result


def _locate(error: Exception, function: VMFunction, index: int) -> None:
    """Adds the model's nodes to an error of ours that does not name a place yet."""
    span = getattr(function.instructions[index], "span", "")
    if span and isinstance(error, TVMError) and getattr(error, "span", None) is None:
        error.span = model_span(span)
        error.args = (error._render(),)


_CALLEE: dict[type[Instruction], str] = {CallFunction: "name", MakeClosure: "function"}


# ---- from instructions to steps ----------------------------------------------------------------

BUILDERS: dict[type[Instruction], Callable[[Builder, Any], Step]] = {}


def builds(cls: type[I]) -> Callable[[Callable[[Builder, I], Step]], Callable[[Builder, I], Step]]:
    """Registers the function that makes a step of an instruction."""

    def register(build: Callable[[Builder, I], Step]) -> Callable[[Builder, I], Step]:
        BUILDERS[cls] = build
        return build

    return register


class Builder:
    """Makes the steps of one function."""

    def __init__(self, interpreter: Interpreter, function: VMFunction) -> None:
        self.interpreter = interpreter
        self.executable = interpreter.executable
        self.devices = interpreter.devices
        self.function = function

    def build(self, instruction: Instruction) -> Step:
        """The step for an instruction."""
        return BUILDERS[type(instruction)](self, instruction)

    def device(self, index: int) -> Device:
        """The device of that index. Raises `ArgumentError` if the machine was given fewer."""
        if index >= len(self.devices):
            raise ArgumentError(
                f"{self.function.name} needs device number {index}, "
                f"{len(self.devices)} were given to the virtual machine"
            )
        return self.devices[index]

    def get(self, operand: Operand | int) -> Getter:
        """A function that reads an operand from a frame."""
        if isinstance(operand, Reg):
            index = operand.index
            return lambda frame: frame.registers[index]
        if isinstance(operand, (Slot, DimOp, int)):
            dim = compile_dim(operand)
            return lambda frame: dim(frame.slots)
        if not isinstance(operand, (Const, Imm)):
            raise ArgumentError(f"{operand!r} is no operand")
        value: Any = (
            self.executable.constants[operand.index]
            if isinstance(operand, Const)
            else operand.value
        )
        return lambda frame: value

    def get_all(self, operands: Sequence[Operand | int]) -> Callable[[Frame], tuple[Any, ...]]:
        """A function that reads all the operands as a tuple."""
        if all(isinstance(o, Reg) for o in operands):
            indices = tuple(o.index for o in operands if isinstance(o, Reg))
            return lambda frame: tuple([frame.registers[i] for i in indices])
        getters = tuple(self.get(o) for o in operands)
        return lambda frame: tuple([getter(frame) for getter in getters])


@builds(CheckTensor)
def _check_tensor(builder: Builder, ins: CheckTensor) -> Step:
    builder.device(ins.device_index)
    check = compile_check_tensor(ins, builder.function, builder.devices)
    get = builder.get(ins.src)
    return lambda frame: check(get(frame), frame.slots)


@builds(CheckShape)
def _check_shape(builder: Builder, ins: CheckShape) -> Step:
    check = compile_check_shape(ins, builder.function)
    get = builder.get(ins.src)
    return lambda frame: check(get(frame), frame.slots)


@builds(CheckTuple)
def _check_tuple(builder: Builder, ins: CheckTuple) -> Step:
    get = builder.get(ins.src)
    subject = Subject(builder.function, ins.context, f"a tuple of {ins.size}")

    def step(frame: Frame) -> None:
        value = get(frame)
        if not isinstance(value, (tuple, Array)) or len(value) != ins.size:
            raise subject.fail(f"a {describe_value(value)}")

    return step


@builds(BindScalar)
def _bind_scalar(builder: Builder, ins: BindScalar) -> Step:
    get = builder.get(ins.src)
    slot = ins.slot.index
    subject = Subject(builder.function, ins.context, "an integer")

    def step(frame: Frame) -> None:
        value = get(frame)
        if isinstance(value, Tensor) and value.ndim == 0:
            value = value.item()
        if not isinstance(value, int):
            raise subject.fail(describe_value(value))
        frame.slots[slot] = int(value)

    return step


@builds(SetSlot)
def _set_slot(builder: Builder, ins: SetSlot) -> Step:
    dim = compile_dim(ins.dim)
    slot = ins.slot.index

    def step(frame: Frame) -> None:
        frame.slots[slot] = dim(frame.slots)

    return step


@builds(MakeShape)
def _make_shape(builder: Builder, ins: MakeShape) -> Step:
    dims = compile_dims(ins.dims)
    dst = ins.dst.index

    def step(frame: Frame) -> None:
        frame.registers[dst] = Shape(dims(frame.slots))

    return step


@builds(AllocStorage)
def _alloc_storage(builder: Builder, ins: AllocStorage) -> Step:
    size = compile_dim(ins.size)
    dst = ins.dst.index
    device = builder.device(ins.device_index)
    allocate = builder.interpreter.allocate

    def step(frame: Frame) -> None:
        frame.registers[dst] = allocate((size(frame.slots),), "uint8", device)

    return step


@builds(AllocTensor)
def _alloc_tensor(builder: Builder, ins: AllocTensor) -> Step:
    offset, dims = compile_dim(ins.offset), compile_dims(ins.dims)
    storage, dst, dtype = ins.storage.index, ins.dst.index, ins.dtype

    def step(frame: Frame) -> None:
        memory = frame.registers[storage]
        if not isinstance(memory, Tensor):
            raise RuntimeFailure(f"a tensor needs storage, found {describe_value(memory)}")
        frame.registers[dst] = memory._create_view(dims(frame.slots), dtype, offset(frame.slots))

    return step


@builds(NewTensor)
def _new_tensor(builder: Builder, ins: NewTensor) -> Step:
    dims = compile_dims(ins.dims)
    dst, dtype = ins.dst.index, ins.dtype
    device = builder.device(ins.device_index)
    allocate = builder.interpreter.allocate

    def step(frame: Frame) -> None:
        frame.registers[dst] = allocate(dims(frame.slots), dtype, device)

    return step


@builds(KillReg)
def _kill_reg(builder: Builder, ins: KillReg) -> Step:
    reg = ins.reg.index

    def step(frame: Frame) -> None:
        frame.registers[reg] = None

    return step


def _observed(
    call: Callable[[tuple[Any, ...]], Any], name: str, span: str, function: Any
) -> Callable[[Frame, tuple[Any, ...]], Any]:
    """`call`, seen by the frame's observer if there is one."""

    def run(frame: Frame, args: tuple[Any, ...]) -> Any:
        observer = frame.observer
        if observer is None:
            return call(args)
        value = None
        if observer.before(name, span, function, args):
            value = call(args)
        observer.after(name, span, function, args, value)
        return value

    return run


@builds(CallKernel)
def _call_kernel(builder: Builder, ins: CallKernel) -> Step:
    failing = builder.executable.attrs.get("failing_kernels", ())
    call, function = bind_kernel(builder.interpreter.kernels, failing, ins)
    tensors = builder.get_all(ins.tensors)
    scalars = builder.get_all(ins.scalars)
    run = _observed(call, ins.symbol, ins.span, function)

    def step(frame: Frame) -> None:
        run(frame, tensors(frame) + scalars(frame))

    return step


def _store(dst: Reg | None) -> Callable[[Frame, Any], None]:
    if dst is None:
        return lambda frame, value: None
    index = dst.index

    def store(frame: Frame, value: Any) -> None:
        frame.registers[index] = value

    return store


@builds(CallPacked)
def _call_packed(builder: Builder, ins: CallPacked) -> Step:
    function = builder.interpreter.find_packed(ins.name)
    args = builder.get_all(ins.args)
    store = _store(ins.dst)
    run = _observed(lambda values: function(*values), ins.name, ins.span, function)
    return lambda frame: store(frame, run(frame, args(frame)))


@builds(CallFunction)
def _call_function(builder: Builder, ins: CallFunction) -> Step:
    interpreter, name = builder.interpreter, ins.name
    args = builder.get_all(ins.args)
    store = _store(ins.dst)

    def step(frame: Frame) -> None:
        store(frame, interpreter.call(name, args(frame), frame.observer))

    return step


@builds(MakeClosure)
def _make_closure(builder: Builder, ins: MakeClosure) -> Step:
    captured = builder.get_all(ins.captured)
    dst = ins.dst.index

    def step(frame: Frame) -> None:
        frame.registers[dst] = Closure(frame.interpreter, ins.function, captured(frame))

    return step


@builds(CallClosure)
def _call_closure(builder: Builder, ins: CallClosure) -> Step:
    get = builder.get(ins.closure)
    args = builder.get_all(ins.args)
    store = _store(ins.dst)

    def step(frame: Frame) -> None:
        closure = get(frame)
        if isinstance(closure, Closure):
            values = (*args(frame), *closure.captured)
            store(frame, closure.interpreter.call(closure.function, values, frame.observer))
        elif callable(closure):
            store(frame, closure(*args(frame)))
        else:
            raise RuntimeFailure(f"expected a function to call, found {describe_value(closure)}")

    return step


@builds(MakeTuple)
def _make_tuple(builder: Builder, ins: MakeTuple) -> Step:
    items = builder.get_all(ins.items)
    dst = ins.dst.index

    def step(frame: Frame) -> None:
        frame.registers[dst] = items(frame)

    return step


@builds(GetItem)
def _get_item(builder: Builder, ins: GetItem) -> Step:
    get = builder.get(ins.tuple)
    index, dst = ins.index, ins.dst.index

    def step(frame: Frame) -> None:
        value = get(frame)
        is_tuple = isinstance(value, (tuple, Array)) and not isinstance(value, Shape)
        if not is_tuple or index >= len(value):
            raise ArgumentError(
                f"expected a tuple of more than {index}, found {describe_value(value)}"
            )
        frame.registers[dst] = value[index]

    return step


@builds(Move)
def _move(builder: Builder, ins: Move) -> Step:
    get = builder.get(ins.src)
    dst = ins.dst.index

    def step(frame: Frame) -> None:
        frame.registers[dst] = get(frame)

    return step


def _truth(value: Any) -> bool:
    if isinstance(value, int):
        return value != 0
    if isinstance(value, Tensor) and value.ndim == 0 and value.nbytes == 1:
        return bool(value.item())
    raise ArgumentError(f"a condition must be a boolean scalar, found {describe_value(value)}")


@builds(If)
def _if(builder: Builder, ins: If) -> Step:
    get = builder.get(ins.condition)
    target = ins.else_target
    return lambda frame: None if _truth(get(frame)) else target


@builds(Goto)
def _goto(builder: Builder, ins: Goto) -> Step:
    target = ins.target
    return lambda frame: target


@builds(Ret)
def _ret(builder: Builder, ins: Ret) -> Step:
    get = builder.get(ins.src)
    is_constant = isinstance(ins.src, Const)

    def step(frame: Frame) -> int:
        value = get(frame)
        # A caller may write to what it is given; the constant must stay as it is.
        frame.result = tensor(value) if is_constant and isinstance(value, Tensor) else value
        return RETURN

    return step
