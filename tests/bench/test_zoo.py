"""The model zoo: light graphs whose outputs tell right from wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from bench import zoo
from bench.zoo import light, networks
from tilewright.support.errors import ArgumentError


@pytest.fixture
def empty_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(zoo.ZOO.variable, str(tmp_path))
    return tmp_path


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "densenet121", "inception_v1"])
def test_light_models_react_to_their_input(name: str) -> None:
    model = light.load(name)
    onnx.checker.check_model(model)
    assert len(model.graph.input) == 1
    session = _session(model)
    rng = np.random.default_rng(7)
    images = [rng.standard_normal(light.INPUT_SHAPE, np.float32) for _ in range(2)]
    first, second = (session.run(None, {model.graph.input[0].name: i})[0] for i in images)
    assert first.size == 1000 and np.isfinite(first).all()
    assert first.max() - first.min() > 0.01
    assert np.abs(first - second).max() > 1e-3
    assert first.max() < 0.9 or first.min() < 0  # a softmax that is not saturated, or logits


def test_weights_come_from_the_seed() -> None:
    first, again, other = (light.load("squeezenet", seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_light_models_of_several_images(name: str) -> None:
    images = np.random.default_rng(0).standard_normal((3, *light.INPUT_SHAPE[1:]), np.float32)
    several, one = light.load(name, batch=3), light.load(name)
    feed = one.graph.input[0].name
    (expected,) = _session(one).run(None, {feed: images[1:2]})
    (found,) = _session(several).run(None, {feed: images})
    np.testing.assert_allclose(found[1:2], expected, rtol=1e-5, atol=1e-6)


def test_files_are_made_once(empty_zoo: Path) -> None:
    file = zoo.path("light_squeezenet")
    assert file == empty_zoo / "light_squeezenet.onnx"
    before = file.stat().st_mtime_ns
    assert zoo.path("light_squeezenet").stat().st_mtime_ns == before
    assert [f.name for f in empty_zoo.iterdir()] == [file.name]
    assert zoo.load("light_squeezenet").graph.node


@pytest.mark.parametrize(
    ("model", "options", "file"),
    [
        ("gpt2", {"sequence": 512}, "gpt2_sequence512"),
        ("bert_base", {"batch": 8, "sequence": 32}, "bert_base_batch8_sequence32"),
        ("resnet18", {"batch": 8, "sequence": 32}, "resnet18_batch8"),
        ("resnet18", {"sequence": 32}, "resnet18"),
        ("light_squeezenet", {"sequence": 32}, "light_squeezenet"),
        ("light_squeezenet", {"batch": 8}, "light_squeezenet_batch8"),
        ("minilm", {"dynamic": True, "batch": 8}, "minilm_dynamic"),
    ],
)
def test_files_are_called_by_the_sizes_that_a_model_has(
    empty_zoo: Path, model: str, options: dict[str, int], file: str
) -> None:
    (empty_zoo / f"{file}.onnx").touch()
    assert zoo.path(model, **options).stem == file


def test_sets_and_families_name_models() -> None:
    named = [name for names in zoo.SETS.values() for name in names]
    assert sorted(named) == sorted(zoo.NETWORKS)
    assert len(zoo.SETS["unseen"]) == 10
    assert {zoo.family(name) for name in named} == set(networks.FAMILIES)
    assert zoo.family("bert_base_batch8_sequence512") == "transformer"
    assert (zoo.family("light_vgg19"), zoo.family("mine")) == ("light", "other")


def test_every_network_says_what_it_takes() -> None:
    for name, network in zoo.NETWORKS.items():
        assert network.outputs, name
        assert network.symbols <= set(zoo.FIXED), name
        assert all(shape[0] == "batch" for shape in network.inputs.values()), name


def test_mistakes(empty_zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArgumentError, match="no model 'resnet51' in the zoo"):
        zoo.path("resnet51")
    with pytest.raises(ArgumentError, match="does not export with symbols"):
        zoo.path("light_vgg19", dynamic=True)
    with pytest.raises(ArgumentError, match="sequence is 0"):
        zoo.path("gpt2", sequence=0)
    monkeypatch.setattr(zoo, "EXPORT_NEEDS", ("no_such_library",))
    with pytest.raises(ArgumentError, match="no_such_library not installed"):
        zoo.path("resnet50")


def test_the_folder_is_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(zoo.ZOO.variable, raising=False)
    monkeypatch.delenv("TILEWRIGHT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert zoo.folder() == tmp_path / "tilewright" / "zoo"
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(tmp_path / "mine"))
    assert zoo.folder() == tmp_path / "mine" / "zoo"
