"""Script: programs as Python text. `ir` (I), `tir` (T) and `relax` (R) are its namespaces."""

from typing import TYPE_CHECKING

from ..support import public as _public

if not TYPE_CHECKING:  # the dialects stand above this package
    __getattr__, __dir__ = _public.lazy_attributes(__name__)
