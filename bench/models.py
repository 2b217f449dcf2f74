"""How fast whole models run: tilewright and its peers in turns, on the same inputs.

python -m bench.models --models resnet50,bert_base --threads 1,2 --json results.json
python -m bench.models --set unseen --table
python -m bench.models --models bert_base,gpt2 --batch 8 --sequence 512
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tilewright.cli.common import progress
from tilewright.cli.files import OutputFile
from tilewright.cli.lists import Counts, Words
from tilewright.frontend.onnx.importer import load_model
from tilewright.support.progress import stage
from tilewright.target import MachineModel, Target

from . import zoo
from .options import COUNT, SECONDS, Command, Models
from .peers import OURS, PEERS, Array, Inputs, installed, version_of
from .summary import Row, means, summarized, summary_table
from .turns import Measurement, measure

SYMBOLS = {"batch": 1, "sequence": 128}
DEFAULT = "resnet50,resnet18,mobilenetv2,convnext_tiny,bert_base,minilm,vit_b16,gpt2"
TOLERANCE = 1e-4


def make_inputs(
    model: onnx.ModelProto, seed: int = 0, sizes: Mapping[str, int] = SYMBOLS
) -> dict[str, Array]:
    """Random inputs for a model: numbers, tokens, and masks of ones; symbols as in `sizes`."""
    rng = np.random.default_rng(seed)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs: dict[str, Array] = {}
    for value in model.graph.input:
        if value.name in weights:
            continue
        kind = value.type.tensor_type
        shape = [d.dim_value or sizes.get(d.dim_param, 1) for d in kind.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        if np.issubdtype(dtype, np.floating):
            inputs[value.name] = rng.standard_normal(shape).astype(dtype)
        elif "mask" in value.name:
            inputs[value.name] = np.ones(shape, dtype)
        elif "type" in value.name:
            inputs[value.name] = np.zeros(shape, dtype)
        else:
            inputs[value.name] = rng.integers(0, 1000, shape).astype(dtype)
    return inputs


def difference(outputs: list[Array], reference: list[Array]) -> float:
    """The largest difference of two sets of outputs, over the largest value of the reference."""
    if [o.shape for o in outputs] != [r.shape for r in reference]:
        return float("inf")
    worst = 0.0
    for output, expected in zip(outputs, reference, strict=True):
        top = float(np.max(np.abs(expected), initial=0.0)) or 1.0
        gap = float(np.max(np.abs(output.astype(float) - expected), initial=0.0))
        worst = max(worst, gap / top if np.isfinite(gap) else float("inf"))
    return worst


def rows_of(model: str, threads: int, found: list[Measurement]) -> list[Row]:
    """The rows of one model; outputs are compared with the first peer's that is not ours."""
    working = [m for m in found if not m.error]
    reference = next((m for m in working if m.peer != OURS), None)
    ours = next((m for m in working if m.peer == OURS), None)
    return [_row(model, threads, m, reference, ours) for m in found]


def _row(
    model: str,
    threads: int,
    m: Measurement,
    reference: Measurement | None,
    ours: Measurement | None,
) -> Row:
    if m.error:
        failed = (None, None, None, None, None, None)
        return Row(model, threads, m.peer, version_of(m.peer), *failed, m.error)
    compared = reference is not None and m is not reference
    gap = difference(m.outputs, reference.outputs) if compared and reference else None
    return Row(
        model,
        threads,
        m.peer,
        version_of(m.peer),
        m.build,
        m.median * 1e3,
        m.best * 1e3,
        m.median / ours.median if ours else None,
        gap,
        gap <= TOLERANCE if gap is not None else None,
        "",
    )


def table_of(rows: list[Row]) -> Table:
    """The rows of peers that work, as a table for the terminal."""
    table = Table(title="milliseconds; speedup: the peer's median over ours")
    for column in ("model", "threads", "peer", "build s", "median", "best", "speedup", "agrees"):
        left = column in ("model", "peer")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    previous = ""
    for row in rows:
        if row.failure:
            continue
        if previous not in ("", row.model):
            table.add_section()
        previous = row.model
        figures = (row.build_s, row.median_ms, row.best_ms, row.speedup)
        cells = ["" if figure is None else f"{figure:.2f}" for figure in figures]
        table.add_row(row.model, str(row.threads), row.peer, *cells, _verdict(row))
    return table


def _verdict(row: Row) -> str:
    if row.agrees is None:
        return "reference"
    return f"{row.difference:.0e}" if row.agrees else f"[red]NO: {row.difference:.0e}"


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = MachineModel.of(Target("llvm"))
    return {
        "cpu": model.cpu,
        "cores": model.cores,
        "vector_bits": model.vector_bits,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def resolve(model: str, **sizes: Any) -> Path:
    """A file of the user's, or a model of the zoo at the sizes asked for."""
    file = Path(model)
    return file if file.suffix == ".onnx" else zoo.path(model, **sizes)


def run(
    models: Sequence[str],
    threads: Sequence[int],
    peers: Sequence[str],
    *,
    dynamic: bool = False,
    batch: int = 1,
    sequence: int = 128,
    **turns: Any,
) -> list[Row]:
    """Measures all models with all numbers of threads and returns the rows."""
    rows = []
    sizes = {"batch": batch, "sequence": sequence}
    with stage("Measure", len(models) * len(threads)) as step:
        for model in models:
            file = resolve(model, dynamic=dynamic, **sizes)
            inputs: Inputs = make_inputs(load_model(file)[0], sizes=sizes)
            for count in threads:
                found = measure(peers, str(file), count, inputs, **turns)
                rows += rows_of(file.stem, count, found)
                step(f"{file.stem}, {count} threads")
    return rows


def chosen_models(models: list[str] | None, group: str | None, default: str = DEFAULT) -> list[str]:
    """The names of `--models`, those of a set, or the default ones."""
    if models and group:
        raise click.UsageError("give --models or --set, not both")
    if group:
        return [*zoo.SETS["issue"], *zoo.SETS["unseen"]] if group == "all" else [*zoo.SETS[group]]
    return models or default.split(",")


@click.command(cls=Command)
@click.option(
    "--models",
    type=Models(),
    help=f"names of the zoo, or .onnx files, by commas; default: {DEFAULT}",
)
@click.option("--set", "group", type=click.Choice([*zoo.SETS, "all"]), help="a list of models")
@click.option("--threads", default="1", type=Counts(), help="numbers of threads, by commas")
@click.option(
    "--peers",
    default=",".join(PEERS),
    type=Words(PEERS),
    show_default=True,
    help="whom to measure, by commas",
)
@click.option(
    "--rounds", default=5, type=COUNT, show_default=True, help="turns that each peer takes"
)
@click.option("--seconds", default=0.5, type=SECONDS, show_default=True, help="length of a turn")
@click.option("--batch", default=1, type=COUNT, help="size of the batch")
@click.option("--sequence", default=128, type=COUNT, help="number of tokens")
@click.option("--dynamic", is_flag=True, help="models with symbolic batch and sequence")
@click.option("--table", is_flag=True, help="one row a model, with geometric means")
@click.option("--json", "json_file", type=OutputFile(), help="write the rows here too")
def main(
    models: list[str] | None,
    group: str | None,
    threads: list[int],
    peers: list[str],
    rounds: int,
    seconds: float,
    batch: int,
    sequence: int,
    dynamic: bool,
    table: bool,
    json_file: str | None,
) -> None:
    """Measures tilewright and its peers on whole models, in turns. Fails if outputs differ."""
    names = chosen_models(models, group)
    console = Console(width=max(100, Console().width))
    for peer in peers:
        if not installed(peer):
            console.print(f"[yellow]{peer} is not installed: left out")
    present = [p for p in peers if installed(p)]
    sizes = {"batch": batch, "sequence": sequence}
    with progress():
        rows = run(
            names, threads, present, dynamic=dynamic, **sizes, rounds=rounds, seconds=seconds
        )
    summaries = summarized(rows)
    console.print(summary_table(summaries) if table else table_of(rows))
    for row in rows:
        if row.failure:
            where = f"{row.model} with {row.threads} threads"
            console.print(f"[red]{row.peer} failed on {where}:[/] {escape(row.failure)}")
    if json_file:
        record = {
            "machine": machine(),
            "sizes": sizes,
            "rows": [asdict(row) for row in rows],
            "summaries": [asdict(summary) for summary in summaries],
            "geometric_means": [asdict(mean) for mean in means(summaries)],
        }
        Path(json_file).write_text(json.dumps(record, indent=1))
    sys.exit(any(row.failure or row.agrees is False for row in rows))


if __name__ == "__main__":
    main()
