"""Constructors of modules under the names of TVM's global functions."""

from .source_module import create_c_source_module as CSourceModuleCreate

__all__ = ["CSourceModuleCreate"]
