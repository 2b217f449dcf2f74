"""The machine model: the figures of a processor from which schedules are computed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import ArgumentError

from .cpus import ALIASES, ARCHITECTURES, CPUS, GENERIC, WIDENING, Cpu, Vectors
from .host import host_caches, host_cores, host_cpu, host_features, host_triple
from .kind import Value

if TYPE_CHECKING:
    from .target import Target

_IMPLIES = {
    "avx2": "avx",
    "f16c": "avx",
    "fma": "avx",
    "avxvnni": "avx2",
    "avx": "sse4.2",
    "sse4.2": "sse4.1",
    "sse4.1": "ssse3",
    "ssse3": "sse3",
    "sse3": "sse2",
    "avx512f": "avx2 fma f16c",
    "dotprod": "neon",
    "fullfp16": "neon",
    "sve": "neon fullfp16",
    "sve2": "sve",
    "v": "d",
}


@dataclass(frozen=True, slots=True)
class Cache:
    """A level of cache: bytes, associativity, bytes of a line. `size` is 0 where there is none."""

    size: int
    ways: int
    line: int


@dataclass(frozen=True, slots=True)
class MachineModel:
    """A processor in figures.

    `vector_bits`, `vector_registers`: width and number of vector registers; `fma_ports`: vector
    fused multiply-adds begun in a cycle (multiplies and adds in turn without `has_fma`); `splits`:
    twice as many begin with vectors of half the width; `cores`:
    those to use (one, if the target is another machine and does not say). `cpu`, `triple` and
    `llvm_features` are what LLVM is to be told.
    """

    cpu: str
    arch: str
    triple: str
    features: frozenset[str]
    llvm_features: str
    vector_bits: int
    vector_registers: int
    fma_ports: int
    has_fma: bool
    cores: int
    l1d: Cache
    l2: Cache
    l3: Cache
    splits: bool = False

    def lanes(self, dtype: str = "float32") -> int:
        """The elements of `dtype` in one vector register, at least one."""
        return max(1, self.vector_bits // max(8, dtype_of(dtype).bits))

    def flops_per_cycle(self, dtype: str = "float32") -> int:
        """Floating-point operations of one core in a cycle, a multiply-add counted as two."""
        return self.lanes(dtype) * self.fma_ports * (2 if self.has_fma else 1)

    def halved(self) -> MachineModel | None:
        """The same processor as one of vectors of half the width; None if that loses speed."""
        if not self.splits:
            return None
        return replace(
            self, vector_bits=self.vector_bits // 2, fma_ports=2 * self.fma_ports, splits=False
        )

    def has(self, *features: str) -> bool:
        """Whether the processor has all of LLVM's `features`."""
        return self.features.issuperset(features)

    @staticmethod
    def of(target: Target) -> MachineModel:
        """The model of the processor that `target` is for, or of its host's.

        Raises `ArgumentError` for a target of another device with no host.
        """
        if target.kind.name in ("llvm", "c", "hexagon"):
            return model_of(target.attrs, hexagon=target.kind.name == "hexagon")
        if target.host is not None:
            return MachineModel.of(target.host)
        raise ArgumentError(f"target {str(target)!r} has no processor", hint="give it a host")


def model_of(attrs: Mapping[str, Value], *, hexagon: bool = False) -> MachineModel:
    """The model of the processor that the options of a target describe.

    With neither `mcpu` nor `mtriple` that is this machine's.
    """
    mattr = attrs.get("mattr", [])
    return _model(
        str(attrs.get("mcpu", "")),
        str(attrs.get("mtriple", "hexagon" if hexagon else "")),
        tuple(mattr) if isinstance(mattr, list) else (),
        int(str(attrs.get("num-cores", 0))),
        int(str(attrs.get("vector-width", 0))),
    )


@lru_cache(maxsize=256)
def _model(
    cpu: str, triple: str, mattr: tuple[str, ...], cores: int, vector_width: int
) -> MachineModel:
    if cores < 0 or vector_width < 0:
        raise ArgumentError("num-cores and vector-width of a target are positive")
    host = _is_host(cpu, triple)
    model = _host_model() if host else _named_model(cpu, triple)
    if mattr:
        model = _with_features(model, mattr)
    if vector_width:
        model = replace(model, vector_bits=vector_width, splits=False)
    return replace(model, cores=cores) if cores else model


def _is_host(cpu: str, triple: str) -> bool:
    if triple and _arch_of(triple) != _arch_of(host_triple()):
        return False
    return cpu == host_cpu() if cpu else not triple


def _arch_of(triple: str) -> str:
    first = triple.split("-")[0]
    if first not in ARCHITECTURES:
        near = re.match(r"[a-z]+(?:32|64)?", first)
        first = near.group() if near else first
    return ARCHITECTURES.get(first, first)


def _host_model() -> MachineModel:
    """This machine: features and caches measured, ports by the name of its processor."""
    arch = _arch_of(host_triple())
    has = host_features()
    named = CPUS.get(ALIASES.get(host_cpu(), host_cpu()))
    base = named or CPUS[GENERIC.get(arch, "x86-64")]
    model = _from_cpu(host_cpu(), host_triple(), base)
    if has:
        model = _widened(model, frozenset(name for name, on in has.items() if on), named)
        text = ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(has.items()))
        model = replace(model, llvm_features=text)
    caches = host_caches()
    found = [Cache(*caches[level]) if level in caches else None for level in (1, 2, 3)]
    l1d, l2, l3 = (f or d for f, d in zip(found, (model.l1d, model.l2, model.l3), strict=True))
    return replace(model, l1d=l1d, l2=l2, l3=l3, cores=host_cores())


def _named_model(cpu: str, triple: str) -> MachineModel:
    """A processor of the table, or the generic one of its architecture."""
    found = CPUS.get(ALIASES.get(cpu, cpu))
    arch = _arch_of(triple) if triple else _arch_of(host_triple())
    if found is None:
        if arch not in GENERIC:
            raise ArgumentError(
                f"no machine model for the architecture of triple {triple!r}",
                hint=f"known are {', '.join(sorted(GENERIC))}",
            )
        found = CPUS[GENERIC[arch]]
    model = _from_cpu(cpu, triple, found)
    return model if triple else replace(model, cores=host_cores())


def _from_cpu(cpu: str, triple: str, row: Cpu) -> MachineModel:
    return MachineModel(
        cpu=cpu,
        arch=row.arch,
        triple=triple,
        features=row.features,
        llvm_features="",
        vector_bits=row.vectors.bits,
        vector_registers=row.vectors.registers,
        fma_ports=row.vectors.fma_ports,
        has_fma=row.vectors.fma,
        splits=row.vectors.splits,
        cores=1,
        l1d=Cache(*row.l1d, row.line),
        l2=Cache(*row.l2, row.line),
        l3=Cache(*row.l3, row.line),
    )


def _with_features(model: MachineModel, mattr: tuple[str, ...]) -> MachineModel:
    """The model with LLVM's features switched on and off, and the vector unit that remains."""
    features = set(model.features)
    for word in mattr:
        name = word.lstrip("+-")
        if word.startswith("-"):
            features -= {f for f in features if name in _implied(f)}
        else:
            features |= _implied(name)
    text = ",".join(w for w in (model.llvm_features, *map(_signed, mattr)) if w)
    model = _widened(replace(model, llvm_features=text), frozenset(features), None)
    lengths = [int(m.group(1)) for m in map(re.compile(r"\+zvl(\d+)b$").match, mattr) if m]
    return replace(model, vector_bits=max(lengths), splits=False) if lengths else model


def _signed(word: str) -> str:
    return word if word.startswith(("+", "-")) else f"+{word}"


def _implied(feature: str) -> set[str]:
    """The feature and what comes with it."""
    above = "avx512f" if re.match(r"avx512(?!f$)", feature) else _IMPLIES.get(feature, "")
    return {feature}.union(*(_implied(name) for name in above.split()))


def _widened(model: MachineModel, features: frozenset[str], row: Cpu | None) -> MachineModel:
    """The model with these features: its own vector unit if they still allow it, else theirs."""
    unit = _vectors_of(model.arch, features)
    own = row.vectors if row else _unit(model)
    if unit is None or unit.bits == own.bits:
        unit = own
    return replace(
        model,
        features=features,
        vector_bits=unit.bits,
        vector_registers=unit.registers,
        fma_ports=unit.fma_ports,
        splits=unit.splits,
        has_fma=_has_fma(model.arch, features) if model.arch == "x86_64" else unit.fma,
    )


def _unit(model: MachineModel) -> Vectors:
    return Vectors(
        model.vector_bits, model.vector_registers, model.fma_ports, model.has_fma, model.splits
    )


def _vectors_of(arch: str, features: Iterable[str]) -> Vectors | None:
    return next((v for a, f, v in WIDENING if a == arch and f in features), None)


def _has_fma(arch: str, features: frozenset[str]) -> bool:
    return bool(features & {"fma", "avx512f"})
