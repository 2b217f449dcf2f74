"""The value of an expression of script by itself."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from ..source import Source
from . import Parser


class ExprEvaluator:
    """Evaluates syntax as the parser does."""

    @staticmethod
    def eval(parser: Parser | None, value_table: Mapping[str, Any] | None, node: ast.expr) -> Any:
        """The value of `node`, in which the names of `value_table` are known."""
        if parser is None:
            parser = Parser(Source(ast.unparse(node)), {})
        with parser.scope(value_table):
            return parser.value(node)
