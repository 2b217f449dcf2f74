"""The networks that are exported with `torch`: configurations, inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int | str, ...]
FIXED = {"batch": 1, "sequence": 128}
"""The symbols of shapes, with the sizes they have where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Network:
    """What to export: a configuration and a model class of `transformers`, inputs and outputs.

    Without a configuration the class is one of `modules`. A dimension of an input is a number or
    a symbol of `FIXED`. `spreads`: ends of layers' names whose outputs have another standard
    deviation than one. `dynamic`: whether it exports with symbols.
    """

    config: str
    model: str
    inputs: Mapping[str, Shape]
    outputs: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    spreads: dict[str, float] = field(default_factory=dict)
    dynamic: bool = True

    @property
    def symbols(self) -> set[str]:
        """The symbols in the shapes of the inputs."""
        return {d for shape in self.inputs.values() for d in shape if isinstance(d, str)}


TOKENS = ("batch", "sequence")
IDS = {"input_ids": TOKENS}
MASKED = {**IDS, "attention_mask": TOKENS}
TYPED = {**MASKED, "token_type_ids": TOKENS}
CLASSES = {"num_labels": 1000}
PLAIN = {"attn_implementation": "eager"}
"""Attention as separate operators: the exporter cannot decompose torch's own with a bias."""
HIDDEN = ("last_hidden_state",)
POOLED = (*HIDDEN, "pooler_output")
T5_QUERIES = {"SelfAttention.q": 0.125, "EncDecAttention.q": 0.125}
"""T5 does not divide scores by the root of the 64 channels of a head: its queries are small."""


def _pixels(height: int, width: int) -> dict[str, Shape]:
    return {"pixel_values": ("batch", 3, height, width)}


def _classifier(name: str, *, size: int = 224, dynamic: bool = True, **options: Any) -> Network:
    """The image classifier `name` of `transformers`, with 1,000 classes."""
    return Network(
        f"{name}Config",
        f"{name}ForImageClassification",
        _pixels(size, size),
        ("logits",),
        {**CLASSES, **options},
        dynamic=dynamic,
    )


NETWORKS = {
    "resnet18": _classifier(
        "ResNet", depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], layer_type="basic"
    ),
    "resnet50": _classifier("ResNet"),
    "mobilenetv2": _classifier("MobileNetV2", tf_padding=False),
    "convnext_tiny": _classifier("ConvNext"),
    "vit_b16": _classifier("ViT"),
    "bert_base": Network("BertConfig", "BertModel", TYPED, POOLED),
    "minilm": Network(
        "BertConfig",
        "BertModel",
        TYPED,
        POOLED,
        {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536},
    ),
    "gpt2": Network("GPT2Config", "GPT2LMHeadModel", IDS, ("logits",), {"use_cache": False}),
    "resnext50": Network("", "ResNeXt", _pixels(224, 224), ("logits",)),
    "efficientnet_b0": Network(
        "",
        "EfficientNet",
        _pixels(224, 224),
        ("logits",),
        {
            **CLASSES,
            "image_size": 224,
            "width_coefficient": 1.0,
            "depth_coefficient": 1.0,
            "hidden_dim": 1280,
        },
    ),
    "t5_small_encoder": Network(
        "T5Config",
        "T5EncoderModel",
        MASKED,
        HIDDEN,
        {"use_cache": False, **PLAIN},
        T5_QUERIES,
    ),
    "t5_small_decoder": Network(
        "",
        "T5Decoder",
        {
            "decoder_input_ids": TOKENS,
            "encoder_hidden_states": (*TOKENS, 512),
            "encoder_attention_mask": TOKENS,
        },
        ("logits",),
        {"use_cache": False, **PLAIN},
        T5_QUERIES,
    ),
    "distilbert": Network("DistilBertConfig", "DistilBertModel", MASKED, HIDDEN),
    "swin_t": _classifier("Swin", attn_implementation="eager"),
    "segformer_b0": Network(
        "SegformerConfig",
        "SegformerForSemanticSegmentation",
        _pixels(512, 512),
        ("logits",),
        {"num_labels": 150},
    ),
    "whisper_tiny_encoder": Network(
        "", "WhisperEncoder", {"input_features": ("batch", 80, 3000)}, HIDDEN
    ),
    "whisper_base_encoder": Network(
        "",
        "WhisperEncoder",
        {"input_features": ("batch", 80, 3000)},
        HIDDEN,
        {
            "d_model": 512,
            "encoder_layers": 6,
            "encoder_attention_heads": 8,
            "encoder_ffn_dim": 2048,
        },
    ),
    "deberta_base": Network(
        "DebertaConfig",
        "DebertaModel",
        MASKED,
        HIDDEN,
        {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    ),
    "clip_vision_b32": Network("CLIPVisionConfig", "CLIPVisionModel", _pixels(224, 224), POOLED),
    "regnet_y_400mf": _classifier(
        "RegNet", hidden_sizes=[48, 104, 208, 440], depths=[1, 3, 6, 6], groups_width=8
    ),
    "mobilevit_small": _classifier("MobileViT", size=256),
    "albert_base": Network(
        "AlbertConfig",
        "AlbertModel",
        TYPED,
        POOLED,
        {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
    ),
    "yolos_tiny": Network(
        "YolosConfig",
        "YolosForObjectDetection",
        _pixels(512, 864),
        ("logits", "pred_boxes"),
        {
            "hidden_size": 192,
            "num_attention_heads": 3,
            "intermediate_size": 768,
            "use_mid_position_embeddings": False,
        },
    ),
    "mlp": Network("", "Perceptron", {"features": ("batch", 64)}, ("logits",)),
    "tabular": Network(
        "", "Tabular", {"numbers": ("batch", 12), "category_ids": ("batch", 5)}, ("logits",)
    ),
}

SETS = {
    "issue": (
        "resnet18", "resnet50", "mobilenetv2", "convnext_tiny", "bert_base", "minilm", "vit_b16",
        "gpt2", "resnext50", "efficientnet_b0", "t5_small_encoder", "t5_small_decoder",
        "distilbert", "mlp", "tabular",
    ),
    "unseen": (
        "swin_t", "segformer_b0", "whisper_tiny_encoder", "whisper_base_encoder", "deberta_base",
        "clip_vision_b32", "regnet_y_400mf", "mobilevit_small", "albert_base", "yolos_tiny",
    ),
}  # fmt: skip
"""Lists of models by name: those that schedules were made with, and those that they were not."""

SIZES = re.compile(r"(_batch\d+)?(_sequence\d+)?(_dynamic)?$")
FAMILIES = {
    "convolutional": (
        "resnet18", "resnet50", "mobilenetv2", "convnext_tiny", "resnext50", "efficientnet_b0",
        "regnet_y_400mf",
    ),
    "transformer": (
        "bert_base", "minilm", "gpt2", "t5_small_encoder", "t5_small_decoder", "distilbert",
        "deberta_base", "albert_base",
    ),
    "vision transformer": (
        "vit_b16", "swin_t", "segformer_b0", "clip_vision_b32", "mobilevit_small", "yolos_tiny",
    ),
    "speech": ("whisper_tiny_encoder", "whisper_base_encoder"),
    "small": ("mlp", "tabular"),
}  # fmt: skip


def family(model: str) -> str:
    """The family of a model or of its file at some size; `light` for the `onnx` package's, else
    `other`."""
    if model.startswith("light_"):
        return "light"
    plain = SIZES.sub("", model)
    return next((name for name, members in FAMILIES.items() if plain in members), "other")
