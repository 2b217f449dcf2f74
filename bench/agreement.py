"""Every model of the zoo against ONNX Runtime: largest difference over largest value.

`python -m bench.agreement` compiles each model at its fixed sizes; with `--dynamic` the exports
whose batch and sequence are symbols are compiled once and run at several sizes. Exits with 1 if a
difference exceeds 1e-4 or a model fails.
"""

from __future__ import annotations

import sys
from typing import Any

import click
import numpy as np
import onnx
import onnxruntime
from rich.console import Console
from rich.table import Table

import tilewright as tw
from tilewright.cli.common import outputs, progress
from tilewright.cli.lists import Words
from tilewright.frontend.onnx import from_onnx

from . import zoo
from .models import TOLERANCE, difference, make_inputs
from .options import Command

Sizes = dict[str, int]
SIZES: tuple[Sizes, ...] = (
    {"batch": 1, "sequence": 128},
    {"batch": 3, "sequence": 16},
    {"batch": 2, "sequence": 77},
)
FIXED: tuple[Sizes, ...] = ({},)


def session_of(file: str) -> Any:
    """ONNX Runtime's session for a model file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def check(name: str, dynamic: bool) -> list[float]:
    """The differences of one model, one a size."""
    file = str(zoo.path(name, dynamic=dynamic))
    vm = tw.relax.VirtualMachine(tw.compile(from_onnx(file), "llvm"), tw.cpu())
    session = session_of(file)
    model = onnx.load(file)
    found = []
    for sizes in SIZES if dynamic else FIXED:
        inputs = make_inputs(model, sizes=sizes)
        ours = outputs(vm["main"](*inputs.values()))
        found.append(difference(ours, [np.asarray(a) for a in session.run(None, inputs)]))
    return found


@click.command(cls=Command)
@click.option(
    "--models", type=Words(zoo.NAMES), help="Names, separated by commas; all of the zoo by default."
)
@click.option("--dynamic", is_flag=True, help="Batch and sequence as symbols, at several sizes.")
def main(models: list[str] | None, dynamic: bool) -> None:
    """Compare every model of the zoo with ONNX Runtime."""
    names = models or [
        n for n in zoo.NAMES if not (dynamic and n.startswith("light_"))
    ]  # fmt: skip
    table = Table("model", "difference / largest value", "within 1e-4")
    bad = 0
    for name in names:
        try:
            with progress():
                gaps = check(name, dynamic)
        except Exception as error:
            table.add_row(name, f"{type(error).__name__}: {str(error).splitlines()[0]}", "failed")
            bad += 1
            continue
        good = max(gaps) <= TOLERANCE
        bad += not good
        table.add_row(name, ", ".join(f"{g:.1e}" for g in gaps), "yes" if good else "NO")
    Console().print(table)
    sys.exit(int(bad > 0))


if __name__ == "__main__":
    main()
