"""tilewright: a deep-learning compiler in the shape of Apache TVM, written in Python."""

__version__ = "0.1.0"
