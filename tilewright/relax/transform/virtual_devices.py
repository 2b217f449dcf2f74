"""RealizeVDevice and UpdateVDevice: on which virtual device each tensor lies."""

from __future__ import annotations

from typing import Any

from ...ir.functor import Rewriter, on
from ...ir.global_info import VDevice, devices_of
from ...ir.module import IRModule
from ...ir.structural import structural_equal
from ...ir.transform import Pass
from ...support.errors import ArgumentError, CompileError
from ..analysis.variables import uses_of
from ..base import Expr, StructInfo
from ..expr import Call, Function, Var
from ..expr_functor import PyExprMutator
from ..op import to_vdevice
from ..struct_info import TensorStructInfo, TupleStructInfo
from ._calls import is_call_of
from ._pass import module_level


class _Exchange(Rewriter):
    """Puts a device in place of another everywhere."""

    def __init__(self, old: VDevice, new: VDevice) -> None:
        self.old, self.new = old, new

    @on(VDevice)
    def device(self, device: VDevice) -> VDevice:
        return self.new if structural_equal(device, self.old) else device


def UpdateVDevice(new_vdevice: VDevice, index: int) -> Pass:
    """Puts `new_vdevice` in place of the module's virtual device `index`, wherever it is meant."""

    def transform(mod: IRModule) -> IRModule:
        devices = devices_of(mod.global_infos)
        if not 0 <= index < len(devices):
            raise ArgumentError(f"the module has {len(devices)} virtual devices, no {index}")
        made: IRModule = _Exchange(devices[index], new_vdevice).run(mod)
        infos = dict(made.global_infos)
        changed = (*devices[:index], new_vdevice, *devices[index + 1 :])
        infos["vdevice"] = changed
        return made.replace(global_infos=infos)

    return module_level("UpdateVDevice", transform)


def _device_of(info: Any) -> VDevice | None:
    if isinstance(info, TupleStructInfo):
        return next((d for i in info.items if (d := _device_of(i)) is not None), None)
    return info.vdevice if isinstance(info, TensorStructInfo) else None


def _on(info: StructInfo, device: VDevice) -> StructInfo:
    if isinstance(info, TensorStructInfo):
        return TensorStructInfo(info.shape, info.dtype, device, info.ndim)
    if isinstance(info, TupleStructInfo):
        return TupleStructInfo(tuple(_on(i, device) for i in info.items))
    return info


class _Places:
    """The device of each variable of a function: values that one operator joins lie together."""

    def __init__(self, func: Function, devices: list[VDevice]) -> None:
        self.devices = devices
        self.found: dict[Var, VDevice] = {}
        for param in func.params:
            self._note(param, _device_of(param.struct_info))
        bindings = list(func.body.bindings())
        for _ in range(2):
            for binding in bindings:
                self._forward(binding)
            for binding in reversed(bindings):
                self._backward(binding)

    def hinted(self, call: Call) -> VDevice:
        """The device that a hint wishes."""
        wanted: Any = call.attrs.get("dst_vdevice")
        if isinstance(wanted, VDevice):
            return wanted
        kind, number = getattr(wanted, "type", wanted), getattr(wanted, "index", 0)
        names = {"cpu": ("llvm", "c")}.get(str(kind), (str(kind),))
        scope = call.attrs.get("memory_scope", "global")
        for device in self.devices:
            same = device.target is not None and device.target.kind.name in names
            if same and device.vdevice_id == number and device.memory_scope == scope:
                return device
        raise CompileError(f"the module has no virtual device for the hint `{wanted}`", call.span)

    def _note(self, var: Any, device: VDevice | None) -> None:
        if device is not None and isinstance(var, Var):
            self.found.setdefault(var, device)

    def _forward(self, binding: Any) -> None:
        value = binding.value
        if is_call_of(value, "hint_on_device"):
            self._note(binding.var, self.hinted(value))
        elif is_call_of(value, "to_vdevice"):
            self._note(binding.var, value.attrs.dst_vdevice)
        else:
            for var in uses_of(value):
                self._note(binding.var, self.found.get(var))
            self._note(binding.var, _device_of(binding.var.struct_info))

    def _backward(self, binding: Any) -> None:
        value = binding.value
        if is_call_of(value, "to_vdevice"):
            return
        if is_call_of(value, "hint_on_device"):
            self._note(value.args[0], self.hinted(value))
            return
        for var in uses_of(value):
            self._note(var, self.found.get(binding.var))


class _Realizer(PyExprMutator):
    def __init__(self, mod: IRModule) -> None:
        super().__init__(mod)
        self.devices = devices_of(mod.global_infos)

    def function(self, func: Function) -> Function:
        """The function with devices on its variables, hints obeyed."""
        self.places = _Places(func, self.devices)
        made: Function = self.visit_expr(func)
        return made if made is func else made.replace(ret_struct_info=None)

    def visit_var_def(self, var: Var) -> Var:
        """A variable on its device."""
        device = self.places.found.get(var)
        if device is None or var.struct_info is None:
            return var
        new = self.with_struct_info(var, _on(var.struct_info, device))
        if new is not var:
            self.set_var_remap(var, new)
        return new

    def visit_call_(self, op: Call) -> Expr:
        """A hint: a copy to another device, or the value itself."""
        call = self.visit_expr_post_order(op)
        if not is_call_of(call, "hint_on_device"):
            return call
        wanted = self.places.hinted(op)
        have = _device_of(call.args[0].struct_info)  # type: ignore[attr-defined]
        if have is not None and structural_equal(have, wanted):
            return call.args[0]  # type: ignore[attr-defined, no-any-return]
        return to_vdevice(call.args[0], wanted)  # type: ignore[attr-defined]


def RealizeVDevice() -> Pass:
    """Tensors get the devices that hints and copies imply, forwards and backwards; hints on values
    that lie elsewhere become `to_vdevice`, others go away."""

    def transform(mod: IRModule) -> IRModule:
        realizer = _Realizer(mod)
        for gvar, func in mod.items():
            if isinstance(func, Function):
                new = realizer.function(func)
                if new is not func:
                    realizer.builder_.update_func(gvar, new)
        return realizer.builder_.get()

    return module_level("RealizeVDevice", transform)
