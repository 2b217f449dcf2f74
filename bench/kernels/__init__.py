"""Kernel families against NumPy and torch: `python -m bench.kernels`."""
