"""The virtual machine and its built-in functions."""

from __future__ import annotations

from . import dynamic, inspect, random, text
from .builtins import BUILTINS, builtin
from .interpreter import Closure, Interpreter
from .kv_cache import KVCache
from .machine import VirtualMachine, VMInstrumentReturnKind

VMClosure = Closure

__all__ = [
    "BUILTINS",
    "Closure",
    "Interpreter",
    "KVCache",
    "VMClosure",
    "VMInstrumentReturnKind",
    "VirtualMachine",
    "builtin",
    "dynamic",
    "random",
    "text",
]
