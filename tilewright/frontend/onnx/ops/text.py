"""Strings, which only packed functions work on (see `runtime.vm.text`); labels and n-grams."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from .... import relax
from ....relax import op as R
from ..node import NodeContext, Result
from ..registry import onnx_op

Expr = relax.Expr
TEXT = relax.ObjectStructInfo()


def _tensor(dtype: str) -> relax.StructInfo:
    return relax.TensorStructInfo(None, dtype)


def _call(n: NodeContext, name: str, args: list[Expr], info: relax.StructInfo, **o: Any) -> Expr:
    return n.emit(R.call_pure_packed(f"vm.text.{name}", json.dumps(o), *args, sinfo_args=info))


@onnx_op("StringConcat")
def string_concat(n: NodeContext) -> Result:
    """Strings joined pairwise."""
    return _call(n, "concat", [n[0], n[1]], TEXT)


def string_equal(n: NodeContext) -> Expr:
    """Whether strings are the same."""
    return _call(n, "equal", [n[0], n[1]], _tensor("bool"))


@onnx_op("StringSplit")
def string_split(n: NodeContext) -> Result:
    """The parts of strings and their numbers."""
    info = relax.TupleStructInfo((TEXT, _tensor("int64")))
    made = _call(
        n, "split", [n[0]], info, delimiter=n.attr("delimiter"), maxsplit=n.attr("maxsplit", -1)
    )
    return [n.emit(relax.TupleGetItem(made, i)) for i in range(2)]


@onnx_op("RegexFullMatch")
def regex_full_match(n: NodeContext) -> Result:
    """Whether strings match a pattern as a whole."""
    return _call(n, "regex", [n[0]], _tensor("bool"), pattern=n.attr("pattern"))


@onnx_op("StringNormalizer")
def string_normalizer(n: NodeContext) -> Result:
    """Stop words taken out, case changed."""
    return _call(
        n, "normalize", [n[0]], TEXT, case=n.attr("case_change_action", "NONE"),
        sensitive=n.attr("is_case_sensitive", 0), stopwords=n.attr("stopwords", []),
    )  # fmt: skip


@onnx_op("TfIdfVectorizer")
def tf_idf_vectorizer(n: NodeContext) -> Result:
    """Counts or weights of word sequences."""
    return _call(
        n, "ngrams", [n[0]], _tensor("float32"), mode=n.attr("mode"),
        least=n.attr("min_gram_length"), most=n.attr("max_gram_length"),
        skip=n.attr("max_skip_count"), starts=n.attr("ngram_counts"),
        counts=n.attr("ngram_indexes"), weights=n.attr("weights"),
        pool=n.attr("pool_strings") or n.attr("pool_int64s"),
    )  # fmt: skip


_LABELS = {"int64s": "int64", "floats": "float32", "strings": "string"}


@onnx_op("LabelEncoder", domain="ai.onnx.ml")
def label_encoder(n: NodeContext) -> Result:
    """Keys replaced by values."""
    keys, _ = _label_list(n, "keys")
    values, dtype = _label_list(n, "values")
    default = _default(n, dtype)
    info = TEXT if dtype == "string" else _tensor(dtype)
    return _call(
        n, "encode_labels", [n[0]], info, keys=keys, values=values, default=default, dtype=dtype
    )


def _label_list(n: NodeContext, what: str) -> tuple[list[Any], str]:
    for kind, dtype in _LABELS.items():
        if n.has_attr(f"{what}_{kind}"):
            return list(n.attr(f"{what}_{kind}")), dtype
    found = n.attr(f"{what}_tensor")
    if found is None:
        raise n.error(f"LabelEncoder has no {what}")
    return _plain(found), "string" if found.dtype.kind in "OSU" else str(found.dtype)


def _plain(array: Any) -> list[Any]:
    items: list[Any] = np.asarray(array).reshape(-1).tolist()
    return [i.decode() if isinstance(i, bytes) else i for i in items]


def _default(n: NodeContext, dtype: str) -> Any:
    tensor = n.attr("default_tensor")
    if tensor is not None:
        return _plain(tensor)[0]
    if dtype == "string":
        return n.attr("default_string", "_Unused")
    return n.attr("default_int64", -1) if dtype.startswith("int") else n.attr("default_float", -0.0)


def cast_text(n: NodeContext, dtype: str) -> Expr:
    """Strings to numbers, or numbers to strings (`object`)."""
    name = "string" if dtype == "object" else dtype
    return _call(n, "cast", [n[0]], TEXT if name == "string" else _tensor(name), dtype=name)
