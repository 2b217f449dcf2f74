"""The C back end: lowered TensorIR to C source that any C11 compiler takes.

`codegen.emit_source` writes the text. Vectors become loops over their lanes, narrow floats are
computed in `float`, parallel loops run one iteration after the other; the tvm-ffi C ABI is the only
thing that the source needs besides the C library.
"""
