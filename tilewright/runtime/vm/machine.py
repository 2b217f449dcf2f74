"""The virtual machine: what users run a compiled model with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from functools import partial
from typing import Any

from tilewright.ffi import core, get_global_func
from tilewright.support.errors import ArgumentError, RuntimeFailure, listing

from ..benchmark import Evaluator
from ..device import Device, cpu
from ..device import device as make_device
from ..executable import Executable, VMFunction
from ..module import Module, as_module
from ..ndarray import Tensor, empty, empty_unpooled
from ..profiling import Profiler, Report
from ..verify import verify
from .arguments import bind, own, prepare, result, unpack
from .builtins import BUILTINS
from .interpreter import Closure, Interpreter, Observer

EXECUTORS = ("auto", "native", "interpreter")


class VMInstrumentReturnKind(IntEnum):
    """What an instrument returns before a call."""

    NO_OP = 0
    SKIP_RUN = 1


class VirtualMachine:
    """Runs the functions of a compiled model.

    `rt_mod` is an `Executable`, a module with one, or a library of native functions; `device` is
    one device or several. `executor` is `native` (compiled code), `interpreter` (step by step), or
    `auto`: native where it is present and neither an instrument nor a profile needs the steps.
    Many threads may call one machine; `set_input` and `invoke_stateful` keep one state for all.
    """

    NAIVE_ALLOCATOR = 1
    POOLED_ALLOCATOR = 2

    def __init__(
        self,
        rt_mod: Executable | Module | Any,
        device: Device | str | Sequence[Device | str] = cpu(0),
        memory_cfg: str | Mapping[Any, str] | None = None,
        profile: bool = False,
        executor: str = "auto",
    ) -> None:
        if executor not in EXECUTORS:
            raise ArgumentError(
                f"unknown executor {executor!r}", hint=f"expected {listing(EXECUTORS)}"
            )
        self.executable, self._native = _parts(rt_mod)
        self.devices = _devices(device)
        allocate = empty_unpooled if _is_naive(memory_cfg) else empty
        self._executor = "interpreter" if profile and self.executable is not None else executor
        self._observer: Observer | None = None
        self._interpreter: Interpreter | None = None
        if self.executable is not None:
            verify(self.executable)
            self._interpreter = Interpreter(
                self.executable, self.devices, self._find_packed, allocate
            )
        if executor == "native" and self._native is None:
            raise ArgumentError("the module has no native code", hint="use executor='interpreter'")
        self._saved: dict[str, Callable[..., Any]] = {}
        self._inputs: dict[str, tuple[Any, ...]] = {}
        self._outputs: dict[str, Any] = {}
        self.module = _MachineModule(self)

    # ---- calling -------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Callable[..., Any]:
        """The function called `key`; it takes tensors, NumPy arrays, scalars, shapes and tuples,
        by position or by parameter name."""
        if key in self._saved:
            return self._saved[key]
        self._check_name(key)
        native = self._native_function(key)
        if native is None:
            return partial(self._call, key)
        return self._native_caller(native, key)

    def _functions(self) -> dict[str, VMFunction]:
        return self.executable.functions if self.executable is not None else {}

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str):
            raise ArgumentError(f"a function's name is a string, found {type(name).__name__}")
        if name in self._functions():
            return
        if self._native is not None and self._native.implements_function(name, True):
            return
        names = [*self._functions(), *self._saved]
        raise ArgumentError(
            f"the virtual machine has no function {name!r}",
            hint=f"it has {listing(names)}" if names else "",
        )

    def _native_function(self, name: str) -> core.Function | None:
        if self._native is None or self._executor == "interpreter" or self._observer is not None:
            return None
        return self._native._lookup(name, True)

    def _native_caller(self, native: core.Function, name: str) -> Callable[..., Any]:
        """A function that calls compiled code; the checks of the arguments are in there."""

        def call(*args: Any, **named: Any) -> Any:
            if self._observer is not None:
                return self._call(name, *args, **named)
            if named:
                args = bind(self._function(name), args, named)
            for arg in args:
                if type(arg) is not Tensor:
                    return native(*map(prepare, args))
            return native(*args)

        return call

    def _call(self, name: str, /, *args: Any, **named: Any) -> Any:
        values = bind(self._function(name), args, named)
        return result(self._run(name, [prepare(v) for v in values], self._observer))

    def _function(self, name: str) -> VMFunction:
        function = self._functions().get(name)
        if function is None:
            raise ArgumentError(
                f"the parameters of {name!r} are not known: the library has no table"
            )
        return function

    def _run(self, name: str, values: Sequence[Any], observer: Observer | None) -> Any:
        if self._interpreter is None:
            raise RuntimeFailure("this library holds native code only: no executable to interpret")
        return self._interpreter.call(name, values, observer)

    def invoke_closure(self, closure: Any, *args: Any) -> Any:
        """What a closure that a function returned yields for `args`."""
        if isinstance(closure, Closure):
            values = [prepare(a) for a in args]
            name, captured = closure.function, closure.captured
            return result(closure.interpreter.call(name, (*values, *captured), self._observer))
        if callable(closure):
            return closure(*map(prepare, args))
        raise ArgumentError(f"expected a closure, found {type(closure).__name__}")

    def save_function(
        self,
        func_name: str,
        saved_name: str,
        *args: Any,
        include_return: bool = True,
        **kwargs: Any,
    ) -> None:
        """Makes `vm[saved_name]()` call `func_name` with these arguments (for timing)."""
        if saved_name in self._functions() or saved_name in self._saved:
            raise ArgumentError(f"the name {saved_name!r} is taken")
        function = self[func_name]
        values = tuple(own(a) for a in args)
        named = {name: own(value) for name, value in kwargs.items()}

        def saved(*more: Any) -> Any:
            value = function(*values, *more, **named)
            return value if include_return else None

        self._saved[saved_name] = saved

    # ---- inputs and outputs kept by the machine ------------------------------------------------

    def set_input(self, func_name: str, *args: Any, **kwargs: Any) -> None:
        """Keeps copies of the arguments for `invoke_stateful(func_name)`."""
        self._check_name(func_name)
        values = bind(self._function(func_name), args, kwargs)
        self._inputs[func_name] = tuple(own(v) for v in values)
        self._outputs.pop(func_name, None)

    def invoke_stateful(self, func_name: str) -> None:
        """Runs `func_name` on the inputs set before; `get_outputs` has the results."""
        self._check_name(func_name)
        inputs = self._inputs.get(func_name)
        if inputs is None:
            if self._function(func_name).params:
                raise ArgumentError(
                    f"no inputs are set for {func_name!r}", hint=f"vm.set_input({func_name!r}, ...)"
                )
            inputs = ()
        self._outputs[func_name] = self[func_name](*inputs)

    def get_outputs(self, func_name: str) -> Any:
        """What the last `invoke_stateful(func_name)` returned: a tensor or a (nested) tuple."""
        if func_name not in self._outputs:
            raise ArgumentError(
                f"{func_name!r} has no outputs yet", hint=f"vm.invoke_stateful({func_name!r})"
            )
        return unpack(self._outputs[func_name])

    # ---- questions -----------------------------------------------------------------------------

    def get_function_arity(self, func_name: str) -> int:
        """The number of parameters."""
        self._check_name(func_name)
        return len(self._function(func_name).params)

    def get_function_param_name(self, func_name: str, index: int) -> str:
        """The name of a parameter."""
        self._check_name(func_name)
        params = self._function(func_name).params
        if not 0 <= index < len(params):
            raise ArgumentError(f"{func_name} has {len(params)} parameters, none is number {index}")
        return params[index]

    def get_function_params(self, func_name: str) -> tuple[str, ...]:
        """The names of the parameters."""
        self._check_name(func_name)
        return self._function(func_name).params

    # ---- looking inside ------------------------------------------------------------------------

    def set_instrument(self, instrument: Callable[..., Any] | str | None) -> None:
        """Calls `instrument(func, name, before_run, ret_value, *args)` around every call.

        Returning `VMInstrumentReturnKind.SKIP_RUN` before a call skips it. None removes it.
        """
        if instrument is None:
            self._observer = None
            return
        function = get_global_func(instrument) if isinstance(instrument, str) else instrument
        if not callable(function):
            raise ArgumentError(f"an instrument is a function, found {type(function).__name__}")
        if self._interpreter is None:
            raise ArgumentError("native code alone cannot be instrumented: it has no executable")
        self._observer = _Instrument(function)

    def time_evaluator(
        self,
        func_name: str,
        dev: Device | None = None,
        number: int = 10,
        repeat: int = 1,
        min_repeat_ms: int = 0,
        cooldown_interval_ms: int = 0,
        repeats_to_cooldown: int = 1,
        f_preproc: str | Callable[..., Any] = "",
    ) -> Evaluator:
        """A function that times `func_name` on its arguments; see `Module.time_evaluator`.

        For `invoke_stateful` the argument is the name of the function whose inputs are set.
        """
        function = self.invoke_stateful if func_name == "invoke_stateful" else self[func_name]
        return Evaluator(
            function,
            dev,
            number=number,
            repeat=repeat,
            min_repeat_ms=min_repeat_ms,
            cooldown_interval_ms=cooldown_interval_ms,
            repeats_to_cooldown=repeats_to_cooldown,
            f_preproc=f_preproc,
        )

    def profile(self, func_name: str, *args: Any, **kwargs: Any) -> Report:
        """The time of every call in one run of `func_name`, by the interpreter."""
        self._check_name(func_name)
        values = [prepare(v) for v in bind(self._function(func_name), args, kwargs)]
        if self._interpreter is not None:
            self._interpreter.prepare(func_name)
        with Profiler(str(self.devices[0])) as profiler:
            self._run(func_name, values, profiler)
        return profiler.report({"function": func_name, "executor": "interpreter"})

    # ---- packed functions ----------------------------------------------------------------------

    def _find_packed(self, name: str) -> Callable[..., Any]:
        if self._interpreter is not None and self._interpreter.kernels is not None:
            found = self._interpreter.kernels._lookup(name, True)
            if found is not None:
                return found
        if name in BUILTINS:
            return BUILTINS[name]
        function = get_global_func(name, allow_missing=True)
        if function is None:
            raise RuntimeFailure(
                f"the program calls {name!r}, which is neither in its module nor registered",
                hint=f"register_func({name!r}, ...) before running it",
            )
        found_global: Callable[..., Any] = function
        return found_global


class _Instrument:
    """An instrument of TVM's form as an observer."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def before(self, name: str, span: str, function: Any, args: Sequence[Any]) -> bool:
        """Asks the instrument whether to run."""
        answer = self._function(function, name, True, None, *args)
        return answer is None or int(answer) != VMInstrumentReturnKind.SKIP_RUN

    def after(self, name: str, span: str, function: Any, args: Sequence[Any], value: Any) -> None:
        """Shows the instrument the value."""
        self._function(function, name, False, value, *args)


class _MachineModule(Module):
    """A machine's functions as a module."""

    kind = "relax.VirtualMachine"
    _METHODS = ("invoke_stateful", "set_input", "get_outputs", "invoke_closure", "save_function")

    def __init__(self, machine: VirtualMachine) -> None:
        super().__init__()
        self._machine = machine

    def find(self, name: str) -> core.Function | None:
        machine = self._machine
        if name in self._METHODS:
            return core._convert_to_ffi_func(getattr(machine, name))
        try:
            function = machine[name]
        except ArgumentError:
            return None
        return core._convert_to_ffi_func(function)

    def function_names(self) -> list[str]:
        return [*self._machine._functions(), *self._machine._saved]


def _parts(rt_mod: Any) -> tuple[Executable | None, Module | None]:
    """The executable and the native code in what was given."""
    if isinstance(rt_mod, Executable):
        return rt_mod, None if rt_mod.native is None else as_module(rt_mod.native)
    inner = getattr(rt_mod, "executable", None)
    if isinstance(inner, Executable):
        return _parts(inner)
    nested = getattr(rt_mod, "mod", None)
    if nested is not None and nested is not rt_mod:
        return _parts(nested)
    try:
        return None, as_module(rt_mod)
    except ArgumentError:
        raise ArgumentError(
            f"VirtualMachine expects an Executable or a Module, found {type(rt_mod).__name__}"
        ) from None


def _devices(device: Any) -> list[Device]:
    given = list(device) if isinstance(device, (list, tuple)) else [device]
    devices = [make_device(d) for d in given]
    for item in devices:
        if not item.exist:
            raise ArgumentError(f"device {item} is not available on this machine")
    if not devices:
        raise ArgumentError("VirtualMachine needs at least one device")
    return devices


_MEMORY_KINDS = ("naive", "pooled")


def _is_naive(config: Any) -> bool:
    """Whether memory should not be kept for reuse. Native code keeps its own arenas."""
    kinds = list(config.values()) if isinstance(config, Mapping) else [config or "pooled"]
    for kind in kinds:
        if kind not in _MEMORY_KINDS:
            raise ArgumentError(
                f"unknown allocator {kind!r}", hint=f"expected {listing(_MEMORY_KINDS)}"
            )
    return "naive" in kinds


__all__ = ["VMInstrumentReturnKind", "VirtualMachine"]
