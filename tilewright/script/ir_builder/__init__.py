"""Programs written step by step: `IRBuilder`, and the namespaces `ir`, `tir` and `relax`."""

from typing import TYPE_CHECKING

from ...support import public as _public
from .base import NAMERS, IRBuilder, name, name_many

if not TYPE_CHECKING:  # the dialects stand above this package
    __getattr__, __dir__ = _public.lazy_attributes(__name__)
