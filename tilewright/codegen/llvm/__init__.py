"""The LLVM back end: lowered TensorIR to LLVM IR text, object code, and code in this process.

`codegen.emit_module` writes the text, `modules.emit_modules` one text for each group of functions;
`compile` makes objects of it, `jit` loads them, `link` exports them; `native_module` compiles whole
executables.
"""
