"""Importers of models."""

from .parameters import detach_params
