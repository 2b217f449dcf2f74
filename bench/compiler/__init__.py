"""How fast the compiler's own parts are: `python -m bench.compiler`."""
