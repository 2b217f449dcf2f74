"""Importing ONNX models: `from_onnx`."""

from .importer import from_onnx

__all__ = ["from_onnx"]
