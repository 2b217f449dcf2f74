"""Which operators can be imported, as the document `docs/onnx.md`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import onnx

from . import ops
from .registry import CONVERTERS

_TITLES = {
    "": "Standard operators (`ai.onnx`)",
    "ai.onnx.ml": "Machine learning (`ai.onnx.ml`)",
    "ai.onnx.preview.training": "Training (`ai.onnx.preview.training`)",
    "com.microsoft": "ONNX Runtime's own (`com.microsoft`)",
}
_INTRODUCTION = """\
# ONNX

`from_onnx(model)` imports models of opset 7 and newer; `tilewright.frontend.onnx.backend.Backend`
is ONNX's own interface to run them. This file is written by
`tilewright onnx-tests --write docs/onnx.md`.

- Shapes may be symbolic; shapes that a model computes are followed while importing, and computed
  when the program runs where they depend on data.
- `If`, `Loop` and `Scan` are followed while importing: the condition and the number of rounds must
  be known then. Some inputs (`axes`, `k`, `pads`...) must be known too. `Backend` compiles such a
  model for the values that it is given, once for each set of them.
- Constant indices of Gather, GatherElements and ScatterElements outside of a known size are
  refused. Indices that are computed when the program runs are not: those outside are clamped, or
  skipped where a scattering operator would write.
- Dimensions with different symbolic names are taken as equal where an operator joins them, which
  the program checks when it runs; so a dimension that is 1 only then does not broadcast. Where it
  shall, give it as 1 (`shape_dict`).
- `NonZero`, `Unique`, `Compress` and `NonMaxSuppression`, strings and random numbers are computed
  by packed functions of the Python runtime.
- int4, uint4, int2 and uint2 are kept in whole bytes, float4 and float6 as float8_e4m3fn.
"""


def supported(domain: str = "") -> dict[str, str]:
    """The operators of a domain, and how each is imported: by a `converter`, or by its
    `definition` in the standard."""
    assert ops.LOADED
    found = {name: "converter" for where, name in CONVERTERS if where == domain}
    for schema in onnx.defs.get_all_schemas():
        defined = schema.has_function or schema.has_context_dependent_function
        if schema.domain == domain and schema.name not in found and defined:
            found[schema.name] = "definition"
    return dict(sorted(found.items()))


def missing(domain: str = "") -> list[str]:
    """The operators of the standard that cannot be imported."""
    known = supported(domain)
    names = {s.name for s in onnx.defs.get_all_schemas() if s.domain == domain and not s.deprecated}
    return sorted(names - known.keys())


def document(table: Mapping[str, Counter[str]], fixed: int) -> str:
    """`docs/onnx.md`; `table` counts the backend tests by kind and status."""
    lines = [_INTRODUCTION, f"## ONNX's backend tests (onnx {onnx.__version__})", ""]
    lines += ["| kind | passed | failed | skipped |", "|---|---:|---:|---:|"]
    for kind, count in table.items():
        lines.append(f"| {kind} | {count['passed']} | {count['failed']} | {count['skipped']} |")
    lines += ["", f"{fixed} of those passed were compiled for the values of some of their inputs."]
    for domain, title in _TITLES.items():
        found = supported(domain)
        if not found:
            continue
        own = [name for name, how in found.items() if how == "converter"]
        derived = [name for name, how in found.items() if how == "definition"]
        lines += ["", f"## {title}", "", f"{len(own)} with a converter: {', '.join(own)}."]
        if derived:
            lines += ["", f"By their definition in the standard: {', '.join(derived)}."]
        lacking = missing(domain)
        if lacking:
            lines += ["", f"Not supported: {', '.join(lacking)}."]
    return "\n".join(lines) + "\n"
