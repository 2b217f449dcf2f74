"""Targets as text: `kind -option=value -option value -flag`, taken apart and put together."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from tilewright.support.errors import ArgumentError
from tilewright.support.knobs import FALSE

from .kind import TargetKind, Value, kind_of, option_of
from .tag import TAGS, config_of_tag

Config = dict[str, Any]
"""A target in pieces: `kind`, `keys`, `tag`, `host` and the options of the kind."""

_TRUE = ("1", "true", "yes", "on")


def parse_text(text: str) -> Config:
    """The pieces of a target written as text: a tag, JSON, or a kind with options."""
    text = text.strip()
    if not text:
        raise ArgumentError("a target cannot be empty", hint='for this machine write "llvm"')
    if text in TAGS:
        return config_of_tag(text)
    if text.startswith("{"):
        return _parse_json(text)
    first, *rest = shlex.split(text)
    if "/" in first:
        config_of_tag(first)  # raises, with near matches
    if first.startswith("-"):
        raise ArgumentError(f"target {text!r} does not start with a kind")
    return {"kind": first, **_parse_options(kind_of(first), rest)}


def _parse_json(text: str) -> Config:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ArgumentError(f"target {text!r} is not valid JSON: {error}") from None
    return dict(config)


def _parse_options(kind: TargetKind, words: list[str]) -> Config:
    config: Config = {}
    for name, text in _pairs(kind, words):
        if name in config:
            raise ArgumentError(f"option -{name} of target kind {kind.name!r} is given twice")
        config[name] = text.split(",") if name == "keys" else convert(kind, name, text)
    return config


def _pairs(kind: TargetKind, words: list[str]) -> Iterator[tuple[str, str]]:
    """`(option, value)` of `-option=value`, `-option value` and `-flag`."""
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        name, equals, text = word.lstrip("-").partition("=")
        if not word.startswith("-") or not name:
            raise ArgumentError(
                f"cannot read {word!r} in a target of kind {kind.name!r}",
                hint="options look like -name=value or -name value",
            )
        if not equals:
            if position < len(words) and _is_value(kind, name, words[position]):
                text = words[position]
                position += 1
            elif name != "keys" and option_of(kind, name).type is bool:
                text = "1"
            else:
                raise ArgumentError(f"option -{name} of target kind {kind.name!r} needs a value")
        yield name, text


def _is_value(kind: TargetKind, name: str, word: str) -> bool:
    if not word.startswith("-"):
        return name == "keys" or option_of(kind, name).type is not bool or word in _TRUE + FALSE
    return name != "keys" and option_of(kind, name).type is int and word[1:].isdigit()


def convert(kind: TargetKind, name: str, value: object) -> Value:
    """`value` as the type that option `name` of `kind` declares."""
    option = option_of(kind, name)
    result = _CONVERSIONS[option.type](value)
    if result is None:
        expected = "a list of words" if option.type is list else option.type.__name__
        raise ArgumentError(
            f"option -{name} of target kind {kind.name!r} must be {expected}, found {value!r}"
        )
    if isinstance(result, int) and result < 0 and name != "opt-level":
        raise ArgumentError(
            f"option -{name} of target kind {kind.name!r} must be at least 0, found {result}"
        )
    return result


def _to_bool(value: object) -> Value | None:
    text = str(value).lower()
    return text in _TRUE if text in _TRUE + FALSE else None


def _to_int(value: object) -> Value | None:
    if isinstance(value, bool):
        return None
    try:
        return int(str(value), 0)
    except ValueError:
        return None


def _to_str(value: object) -> Value | None:
    return value if isinstance(value, str) else None


def _to_list(value: object) -> Value | None:
    if isinstance(value, str):
        return [word for word in value.split(",") if word]
    if isinstance(value, (list, tuple)):
        return [str(word) for word in value]
    return None


_CONVERSIONS = {bool: _to_bool, int: _to_int, str: _to_str, list: _to_list}


def format_text(kind: str, keys: list[str], attrs: Mapping[str, Value]) -> str:
    """The text that `parse_text` reads back into the same pieces."""
    words = [kind]
    if keys:
        words.append(f"-keys={','.join(keys)}")
    words += [f"-{name}={_format_value(attrs[name])}" for name in sorted(attrs)]
    return " ".join(words)


def _format_value(value: Value) -> str:
    if isinstance(value, list):
        return shlex.quote(",".join(value))
    return str(int(value)) if isinstance(value, bool) else shlex.quote(str(value))
