"""Passes over Relax programs, one a file."""

from ._pass import dataflowblock_pass, function_pass
from .legalize_ops import LegalizeOps, register_legalize
