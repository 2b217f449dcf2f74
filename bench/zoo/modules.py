"""Networks that `transformers` does not have, or has only as a part of another."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import transformers
from torch import nn
from transformers.models.whisper import modeling_whisper


def _convolution(inputs: int, outputs: int, size: int, **options: Any) -> nn.Sequential:
    """Convolution that keeps the image's size (over the stride), and batch normalization."""
    conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False, **options)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class _Bottleneck(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """1x1, grouped 3x3, 1x1, and the way around them."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int) -> None:
        super().__init__()
        width = outputs // 2
        self.body = nn.Sequential(
            _convolution(inputs, width, 1),
            nn.ReLU(),
            _convolution(width, width, 3, stride=stride, groups=groups),
            nn.ReLU(),
            _convolution(width, outputs, 1),
        )
        same = inputs == outputs and stride == 1
        self.around = nn.Identity() if same else _convolution(inputs, outputs, 1, stride=stride)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.body(x) + self.around(x))


class ResNeXt(nn.Module):  # type: ignore[misc]
    """ResNeXt-50 32x4d (Xie et al., 2017): four stages of grouped bottlenecks."""

    def __init__(self, blocks: tuple[int, ...] = (3, 4, 6, 3), groups: int = 32) -> None:
        super().__init__()
        layers = [_convolution(3, 64, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        channels = 64
        for stage, count in enumerate(blocks):
            width = 256 << stage
            for block in range(count):
                stride = 2 if stage and not block else 1
                layers.append(_Bottleneck(channels, width, stride, groups))
                channels = width
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(channels, 1000)

    def forward(self, pixel_values: Any) -> SimpleNamespace:
        return SimpleNamespace(logits=self.classifier(self.features(pixel_values)))


class EfficientNet(nn.Module):  # type: ignore[misc]
    """EfficientNet-B0. Its pooling names the whole image: `transformers` asks for a window of
    1,280 x 1,280, which not every importer takes."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        config = transformers.EfficientNetConfig(**options)
        self.model = transformers.EfficientNetForImageClassification(config)
        self.model.efficientnet.pooler = nn.AdaptiveAvgPool2d(1)

    def forward(self, pixel_values: Any) -> Any:
        return self.model(pixel_values)


class T5Decoder(nn.Module):  # type: ignore[misc]
    """T5-small's decoder with its logits, over states that an encoder has made."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        config = transformers.T5Config(**options)
        self.model = transformers.T5ForConditionalGeneration(config)
        self.model.encoder.block = nn.ModuleList()

    def forward(
        self, decoder_input_ids: Any, encoder_hidden_states: Any, encoder_attention_mask: Any
    ) -> Any:
        return self.model(
            encoder_outputs=(encoder_hidden_states,),
            attention_mask=encoder_attention_mask,
            decoder_input_ids=decoder_input_ids,
        )


class WhisperEncoder(nn.Module):  # type: ignore[misc]
    """Whisper's encoder over 30 seconds of sound; the defaults are those of the tiny one."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.model = modeling_whisper.WhisperEncoder(transformers.WhisperConfig(**options))

    def forward(self, input_features: Any) -> Any:
        return self.model(input_features)


class Perceptron(nn.Module):  # type: ignore[misc]
    """Three dense layers, 64-128-64-10."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
        )

    def forward(self, features: Any) -> SimpleNamespace:
        return SimpleNamespace(logits=self.layers(features))


class Tabular(nn.Module):  # type: ignore[misc]
    """Rows of a table: 12 normalized numbers, 4 embedded categories and a one-hot one."""

    def __init__(self, kinds: int = 8) -> None:
        super().__init__()
        self.kinds = kinds
        self.norm = nn.BatchNorm1d(12)
        self.embeddings = nn.ModuleList(nn.Embedding(1000, 16) for _ in range(4))
        self.layers = nn.Sequential(
            nn.Linear(12 + 4 * 16 + kinds, 64),
            nn.ReLU(),
            nn.Linear(64, 32),
            nn.ReLU(),
            nn.Linear(32, 2),
        )

    def forward(self, numbers: Any, category_ids: Any) -> SimpleNamespace:
        columns = [table(category_ids[:, i]) for i, table in enumerate(self.embeddings)]
        kind = nn.functional.one_hot(category_ids[:, 4] % self.kinds, self.kinds)
        row = torch.cat([self.norm(numbers), *columns, kind.float()], dim=1)
        return SimpleNamespace(logits=self.layers(row))
