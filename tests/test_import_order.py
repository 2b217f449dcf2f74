"""Modules import only from layers below their own, never in circles, and never past a gate."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tilewright"
LAYERS = """
cli | msc | contrib | testing
frontend
driver
meta_schedule
dlight | codegen | relax
topi
te
tir
ir
target | script | rpc
runtime
ffi
support
"""
TIR_LAYERS = """
transform | schedule
analysis
arith
expr | stmt | buffer
"""
TIR_FREE = {
    frozenset(("expr", "stmt")),
    frozenset(("expr", "buffer")),
    frozenset(("stmt", "buffer")),
}
Sources = dict[str, str]
Edges = dict[str, set[str]]


def read_sources(folder: Path) -> Sources:
    """`module name -> text` of a package; a package's own module has the package's name."""
    sources = {}
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sources[name] = file.read_text()
    return sources


def imported_names(module: str, text: str, is_package: bool, typing: bool) -> Iterator[str]:
    """Everything that a module imports, functions included; `typing`: TYPE_CHECKING blocks too.

    `from a.b import c` is `a.b:c`: c may be a module, or a name in a.b.
    """
    tree = ast.parse(text)
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and not typing:
            skipped.update(inner for statement in node.body for inner in ast.walk(statement))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".") + ([""] if is_package else [])
            above = ".".join(base[: len(base) - node.level]) if node.level else ""
            source = ".".join(part for part in (above, node.module) if part)
            yield from (f"{source}:{alias.name}" for alias in node.names)


def import_edges(sources: Sources, typing: bool = False) -> Edges:
    """`module -> modules of the same package that it imports`."""
    packages = {name.rpartition(".")[0] for name in sources}
    edges: Edges = {}
    for module, text in sources.items():
        names = imported_names(module, text, module in packages, typing)
        found = {target for name in names if (target := _module_of(name, sources))}
        edges[module] = found - {module}
    return edges


def _module_of(name: str, sources: Sources) -> str | None:
    source, colon, member = name.partition(":")
    if colon:
        inner = f"{source}.{member}"
        return inner if inner in sources else source if source in sources else None
    while source and source not in sources:
        source = source.rpartition(".")[0]
    return source or None


def ranks(table: str) -> dict[str, int]:
    """`name -> row`, counted from the bottom."""
    rows = table.strip().splitlines()[::-1]
    return {name.strip(): row for row, names in enumerate(rows) for name in names.split("|")}


def order_violations(
    edges: Edges, prefix: str, table: str, free: frozenset[frozenset[str]] = frozenset()
) -> list[str]:
    """Imports from a row to a row that is not below it; parts of a row do not know each other."""
    rank = ranks(table)
    found = []
    for module, targets in sorted(edges.items()):
        for target in sorted(targets):
            above, below = _part(module, prefix), _part(target, prefix)
            if above not in rank or below not in rank or above == below:
                continue
            if rank[above] <= rank[below] and frozenset((above, below)) not in free:
                found.append(f"{module} imports {target}")
    return found


def _part(module: str, prefix: str) -> str:
    return module.removeprefix(prefix + ".").split(".")[0] if module != prefix else ""


def import_cycles(edges: Edges) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others."""
    reach = {module: _reachable(module, edges) for module in edges}
    groups = {tuple(sorted(n for n in reach[m] if m in reach[n])) for m in edges if m in reach[m]}
    return sorted(list(group) for group in groups)


def _reachable(start: str, edges: Edges) -> set[str]:
    seen: set[str] = set()
    todo = list(edges[start])
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += edges[module]
    return seen


def users_of(sources: Sources, library: str) -> list[str]:
    """The modules that import `library`, or a part of it, when they run."""
    packages = {name.rpartition(".")[0] for name in sources}
    return [
        module
        for module, text in sources.items()
        if any(
            f"{name.replace(':', '.')}.".startswith(f"{library}.")
            for name in imported_names(module, text, module in packages, typing=False)
        )
    ]


@pytest.fixture(scope="module")
def sources() -> Sources:
    return read_sources(PACKAGE)


def test_every_module_belongs_to_a_layer(sources: Sources) -> None:
    assert {_part(module, "tilewright") for module in sources} <= {"", "__main__", *ranks(LAYERS)}


def test_layers(sources: Sources) -> None:
    assert not order_violations(import_edges(sources, typing=True), "tilewright", LAYERS)


def test_layers_of_tir(sources: Sources) -> None:
    edges = import_edges(sources, typing=True)
    inner = {m: t for m, t in edges.items() if m.startswith("tilewright.tir.")}
    assert not order_violations(inner, "tilewright.tir", TIR_LAYERS, frozenset(TIR_FREE))


def test_no_import_cycles(sources: Sources) -> None:
    assert not import_cycles(import_edges(sources))


def test_tvm_ffi_is_imported_in_one_place(sources: Sources) -> None:
    """Importing it directly would import torch; `tilewright.ffi` re-exports it."""
    assert set(users_of(sources, "tvm_ffi")) <= {"tilewright.ffi._load"}


def test_environment_is_read_in_one_place(sources: Sources) -> None:
    readers = {m for m, text in sources.items() if "os.environ" in text or "os.getenv" in text}
    assert readers == {"tilewright.support.knobs"}


def test_the_checks_find_what_they_look_for() -> None:
    sources = {
        "p": "",
        "p.tir": "",
        "p.tir.arith": "from . import transform",
        "p.tir.transform": "import p.relax.op\nfrom ..ir import node",
        "p.relax": "",
        "p.relax.op": "def f():\n    from p.tir import transform",
        "p.ir": "import tvm_ffi.core",
    }
    edges = import_edges(sources)
    assert order_violations(edges, "p", LAYERS) == ["p.tir.transform imports p.relax.op"]
    inner = order_violations(edges, "p.tir", TIR_LAYERS)
    assert inner == ["p.tir.arith imports p.tir.transform"]
    assert import_cycles(edges) == [["p.relax.op", "p.tir.transform"]]
    assert users_of(sources, "tvm_ffi") == ["p.ir"]
    hidden = {"p.a": "if TYPE_CHECKING:\n    import p.b", "p.b": ""}
    assert import_edges(hidden)["p.a"] == set()
    assert import_edges(hidden, typing=True)["p.a"] == {"p.b"}
