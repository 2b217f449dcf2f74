"""Tests that compare a program before and after a transformation."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from tilewright.ir import IRModule, assert_structural_equal
from tilewright.ir.expr import BaseFunc
from tilewright.ir.transform import Pass
from tilewright.script.parser import from_source
from tilewright.support.errors import ArgumentError
from tilewright.tir import PrimFunc


class CompareBeforeAfter:
    """`transform(before)` must be `expected`: a test class is made by giving the three.

    ```
    class TestFold(tvm.testing.CompareBeforeAfter):
        transform = tvm.tir.transform.Simplify()
        def before(A: T.Buffer(1, "int32")):
            A[0] = 1 + 1
        def expected(A: T.Buffer(1, "int32")):
            A[0] = 2
    ```
    `before` and `expected` (or `Before`, `Expected`) are functions in script, with or without
    `@T.prim_func`; classes of such functions; modules; methods that return one of them; or
    fixtures. `expected` may be an exception, or `before` itself. `transform` is a pass, a method
    that returns one, or a fixture.
    """

    check_well_formed: bool = True
    transform: Any

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in ("before", "expected"):
            given = [n for n in (name, name.capitalize()) if n in vars(cls)]
            if len(given) > 1:
                raise ArgumentError(f"`{cls.__name__}` has both `{given[0]}` and `{given[1]}`")
            if given:
                normalize = getattr(cls, f"_normalize_{name}")
                setattr(cls, name, normalize(vars(cls)[given[0]]))
        if "transform" in vars(cls):
            cls.transform = cls._normalize_transform(vars(cls)["transform"])

    @classmethod
    def _normalize_before(cls, given: Any) -> Any:
        """A fixture that gives the program."""
        return given if _is_fixture(given) else _fixture(cls._program(given))

    @classmethod
    def _normalize_expected(cls, given: Any) -> Any:
        """A fixture that gives the program, or the exception."""
        if _is_fixture(given):
            return given
        if inspect.isclass(given) and issubclass(given, BaseException):
            return _fixture(lambda self: given)
        return _fixture(cls._program(given))

    @classmethod
    def _normalize_transform(cls, given: Any) -> Any:
        """A fixture that gives the transformation."""
        if _is_fixture(given):
            return given
        if isinstance(given, Pass):
            return _fixture(lambda self: _applied(given))
        if _is_method(given):
            return _fixture(lambda self: _applied(given(self)))
        raise ArgumentError(
            f"`transform` is a pass or a method that returns one, found {type(given).__name__}"
        )

    @classmethod
    def _program(cls, given: Any) -> Callable[[Any], Any]:
        """A method that gives what `given` stands for."""
        if isinstance(given, (IRModule, BaseFunc)):
            return lambda self: _nameless(given)
        if inspect.isclass(given):
            return lambda self: cls._module(given)
        if _is_method(given):
            return lambda self: _nameless(given(self))
        return lambda self: cls._parsed(given)

    @classmethod
    def _parsed(cls, function: Callable[..., Any]) -> PrimFunc:
        """A function in script without its decorator."""
        text = textwrap.dedent(inspect.getsource(function))
        private = "global_symbol" not in text
        options = f"private={private}, check_well_formed={cls.check_well_formed}"
        environment = inspect.getclosurevars(function)
        names = {**environment.globals, **environment.nonlocals}
        made: PrimFunc = from_source(f"@T.prim_func({options})\n{text}", names)
        return made

    @classmethod
    def _module(cls, given: type) -> IRModule:
        functions: dict[Any, Any] = {}
        for name, value in vars(given).items():
            if name.startswith("_"):
                continue
            func = value if isinstance(value, BaseFunc) else cls._parsed(value)
            functions[name] = func.with_attr("global_symbol", name)
        return IRModule(functions)

    def test_compare(self, before: Any, expected: Any, transform: Any) -> None:
        """The transformed program is the expected one, or the exception is raised."""
        if isinstance(transform, Pass):
            transform = _applied(transform)
        if inspect.isclass(expected) and issubclass(expected, BaseException):
            import pytest

            with pytest.raises(expected):
                after = transform(before)
                pytest.fail(f"expected {expected.__name__}, got\n{after}")
            return
        after = transform(before)
        if isinstance(expected, BaseFunc):
            after = _nameless(_only_function(after) if isinstance(after, IRModule) else after)
            expected = _nameless(expected)
        assert_structural_equal(after, expected, map_free_vars=False)


def _only_function(module: IRModule) -> Any:
    """The function of a module that has no other, as a schedule of a function gives it."""
    functions = list(module.functions.values())
    if len(functions) != 1:
        raise ArgumentError(f"a function is expected, found a module of {len(functions)}")
    return functions[0]


def _nameless(program: Any) -> Any:
    """A function without its symbol: before and after may be called otherwise."""
    if isinstance(program, PrimFunc) and "global_symbol" in program.attrs:
        return program.without_attr("global_symbol")
    return program


def _applied(transform: Any) -> Callable[[Any], Any]:
    """`transform` on modules, and on functions as modules of one."""

    def apply(program: Any) -> Any:
        if isinstance(program, IRModule):
            return transform(program)
        if isinstance(program, BaseFunc):
            return transform(IRModule({"main": program}))["main"]  # type: ignore[dict-item]
        raise ArgumentError(f"a program is a module or a function, found {type(program).__name__}")

    return apply


def _fixture(method: Callable[[Any], Any]) -> Any:
    import pytest

    def inner(self: Any) -> Any:
        return method(self)

    return pytest.fixture(inner)


def _is_fixture(value: Any) -> bool:
    return hasattr(value, "_pytestfixturefunction") or type(value).__name__ == (
        "FixtureFunctionDefinition"
    )


def _is_method(value: Any) -> bool:
    return callable(value) and "self" in inspect.signature(value).parameters
