"""Passes: pure functions on modules. Printing, timing, checking and diffing hang on the context."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import re
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any

from ..support.errors import (
    ArgumentError,
    ArgumentTypeError,
    NoSuchOptionError,
    TVMError,
    listing,
)
from ..support.stack import deep_recursion
from .expr import OPERATORS, BaseFunc, GlobalVar
from .instrument import PassInstrument, knob_instruments
from .module import IRModule

ModuleFunction = Callable[[IRModule, "PassContext"], IRModule]

CONFIG: dict[str, tuple[type | None, str]] = {}
"""The options that `PassContext(config=...)` takes: their type (None: any) and what they do."""


def register_config(name: str, kind: type | None, doc: str) -> str:
    """Declares an option of `PassContext(config=...)`; returns its name."""
    CONFIG[name] = (kind, doc)
    return name


@dataclass(frozen=True, slots=True)
class PassInfo:
    """What is known of a pass: the level from which it runs, its name, what must run before."""

    opt_level: int
    name: str
    required: tuple[str, ...] = ()
    traceable: bool = False


class PassContext:
    """The settings under which passes run; `with PassContext(opt_level=3): ...`.

    A pass runs if its level is at most `opt_level` or its name is in `required_pass`, unless it
    is in `disabled_pass`. Raises `NoSuchOptionError` for an unknown `config`
    option or a wrong type, `ArgumentTypeError` for a field of one that is unknown or of a wrong
    type.
    """

    def __init__(
        self,
        opt_level: int = 2,
        required_pass: Iterable[str] | None = None,
        disabled_pass: Iterable[str] | None = None,
        instruments: Sequence[PassInstrument] | None = None,
        config: dict[str, Any] | None = None,
        trace: Any = None,
        trace_stack: Sequence[Any] | None = None,
    ) -> None:
        if not isinstance(opt_level, int):
            raise ArgumentTypeError(
                f"`opt_level` of PassContext is an integer, found {opt_level!r}"
            )
        for name, given, kinds in (
            ("required_pass", required_pass, (list, tuple, set)),
            ("disabled_pass", disabled_pass, (list, tuple, set)),
            ("instruments", instruments, (list, tuple)),
            ("config", config, (dict,)),
        ):
            if given is not None and not isinstance(given, kinds):
                raise ArgumentTypeError(
                    f"`{name}` of PassContext is a {kinds[0].__name__}, found {given!r}"
                )
        self.opt_level = opt_level
        self.required_pass = tuple(required_pass or ())
        self.disabled_pass = tuple(disabled_pass or ())
        self.instruments = tuple(instruments or ())
        self.config = {name: _checked(name, value) for name, value in (config or {}).items()}
        self.trace = trace
        self.trace_stack = list(trace_stack or ())
        self._tokens: list[Token[PassContext | None]] = []

    @staticmethod
    def current() -> PassContext:
        """The innermost context of this thread, or the default one."""
        return _CURRENT.get() or _DEFAULT

    @staticmethod
    def list_configs() -> dict[str, dict[str, str]]:
        """Every option that `config` takes, with its type."""
        for module in _DECLARED_BY.values():
            importlib.import_module(module)
        return {
            name: {"type": kind.__name__ if kind else "object", "doc": doc}
            for name, (kind, doc) in sorted(CONFIG.items())
        }

    def __enter__(self) -> PassContext:
        self._tokens.append(_CURRENT.set(self))
        for instrument in self.instruments:
            instrument.enter_pass_ctx()
        return self

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._tokens.pop())
        for instrument in self.instruments:
            instrument.exit_pass_ctx()

    def override_instruments(self, instruments: Sequence[PassInstrument]) -> None:
        """Puts other instruments in place of those there are."""
        for instrument in self.instruments:
            instrument.exit_pass_ctx()
        self.instruments = tuple(instruments)
        for instrument in self.instruments:
            instrument.enter_pass_ctx()

    def pass_enabled(self, info: PassInfo) -> bool:
        """Whether a pass runs here."""
        if info.name in self.disabled_pass:
            return False
        return info.name in self.required_pass or info.opt_level <= self.opt_level


_DECLARED_BY = {
    "relax": "tilewright.relax.transform.config",
    "tir": "tilewright.tir.transform.config",
}
"""The module that declares the options whose names begin so, if it has not been imported yet."""


def _checked(name: str, value: Any) -> Any:
    if not isinstance(name, str):
        raise ArgumentTypeError(f"an option of PassContext is called by a string, found {name!r}")
    if name not in CONFIG and name.partition(".")[0] in _DECLARED_BY:
        importlib.import_module(_DECLARED_BY[name.partition(".")[0]])
    if name not in CONFIG:
        import difflib

        near = difflib.get_close_matches(name, CONFIG, 3)
        hint = f"did you mean {', '.join(near)}?" if near else "see PassContext.list_configs()"
        raise NoSuchOptionError(f"PassContext has no option {name!r}", hint=hint)
    kind = CONFIG[name][0]
    if kind is bool and isinstance(value, int):
        return bool(value)
    if kind is not None and dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _grouped(name, kind, value)
    if kind is not None and not isinstance(value, kind):
        raise NoSuchOptionError(
            f"option {name!r} takes a {kind.__name__}, found {type(value).__name__} {value!r}"
        )
    return value


def _grouped(name: str, kind: Any, given: dict[str, Any]) -> Any:
    """A group of options from a dict of them."""
    known = {field.name: type(field.default) for field in dataclasses.fields(kind)}
    for key, value in given.items():
        if key not in known:
            raise ArgumentTypeError(
                f"option {name!r} has no field {key!r}", hint=f"there are {', '.join(known)}"
            )
        if known[key] in (bool, int) and not isinstance(value, int):
            raise ArgumentTypeError(
                f"field {key!r} of option {name!r} takes a value of {known[key].__name__}, "
                f"found {type(value).__name__} {value!r}"
            )
    return kind(**given)


_DEFAULT = PassContext()
_CURRENT: ContextVar[PassContext | None] = ContextVar("pass_context", default=None)


class Pass:
    """A transformation of modules; call it with a module to get a new one."""

    info: PassInfo

    def __call__(self, mod: IRModule) -> IRModule:
        if not isinstance(mod, IRModule):
            raise ArgumentTypeError(
                f"pass {self.info.name} transforms an IRModule, found {type(mod).__name__}",
                hint="put a function into a module: IRModule.from_expr(func)",
            )
        context = PassContext.current()
        instruments = (*context.instruments, *knob_instruments())
        answers = [instrument.should_run(mod, self.info) for instrument in instruments]
        if False in answers:
            return mod
        for instrument in instruments:
            instrument.run_before_pass(mod, self.info)
        result = self._named(mod, context)
        for instrument in instruments:
            instrument.run_after_pass(result, self.info)
        return result

    def _named(self, mod: IRModule, context: PassContext) -> IRModule:
        try:
            with deep_recursion():
                result = self.transform_module(mod, context)
        except TVMError as error:
            error.passes = [*getattr(error, "passes", ()), self.info.name]  # type: ignore[attr-defined]
            raise
        if not isinstance(result, IRModule):
            raise ArgumentError(
                f"pass {self.info.name} returned {type(result).__name__}, expected an IRModule"
            )
        return result

    def transform_module(self, mod: IRModule, context: PassContext) -> IRModule:
        """What the pass does, without instruments."""
        raise NotImplementedError(f"pass {type(self).__name__} has no transform_module")

    def __repr__(self) -> str:
        return f"<pass {self.info.name}>"


class ModulePass(Pass):
    """A pass over whole modules."""

    def __init__(self, function: ModuleFunction, info: PassInfo) -> None:
        self.function = function
        self.info = info

    def transform_module(self, mod: IRModule, context: PassContext) -> IRModule:
        return self.function(mod, context)


class FunctionPass(Pass):
    """A pass over each function of one class, on its own."""

    def __init__(
        self,
        function: Callable[[Any, IRModule, PassContext], Any],
        info: PassInfo,
        kind: type[BaseFunc],
    ) -> None:
        self.function = function
        self.info = info
        self.kind = kind

    def transform_module(self, mod: IRModule, context: PassContext) -> IRModule:
        out: dict[GlobalVar, BaseFunc] = {}
        changed = False
        for var, func in mod.items():
            new = self.function(func, mod, context) if isinstance(func, self.kind) else func
            changed = changed or new is not func
            if new is not None:
                out[var] = new
        return mod.with_functions(out) if changed else mod


class Sequential(Pass):
    """Passes one after another, those that the context enables."""

    def __init__(
        self,
        passes: Sequence[Pass],
        opt_level: int = 0,
        name: str = "sequential",
        required: Sequence[str] | None = None,
        traceable: bool = False,
    ) -> None:
        if not isinstance(passes, (list, tuple)):
            raise ArgumentTypeError(
                f"Sequential takes a list of passes, found {type(passes).__name__}",
                hint="write Sequential([FlattenBuffer(), Simplify()])",
            )
        for place, step in enumerate(passes):
            if not isinstance(step, Pass):
                raise ArgumentTypeError(
                    f"Sequential takes passes, found {step!r} at place {place}",
                    hint="call the function that makes the pass, as in `Simplify()`",
                )
        self.passes = tuple(passes)
        self.info = PassInfo(opt_level, name, tuple(required or ()), traceable)

    def __call__(self, mod: IRModule) -> IRModule:
        return self.transform_module(mod, PassContext.current())

    def transform_module(self, mod: IRModule, context: PassContext) -> IRModule:
        for step in self.passes:
            if context.pass_enabled(step.info):
                mod = step(mod)
        return mod


def module_pass(
    pass_func: Any = None,
    /,
    opt_level: int = 0,
    name: str | None = None,
    required: Sequence[str] | None = None,
    traceable: bool = False,
) -> Any:
    """Makes a pass of a function `(mod, ctx) -> mod`, or of a class with `transform_module`."""

    def make(what: Any) -> Any:
        info = PassInfo(opt_level, name or _name_of(what), tuple(required or ()), traceable)
        if isinstance(what, type):
            return class_pass(what, "transform_module", lambda f: ModulePass(f, info))
        return ModulePass(what, info)

    return make if pass_func is None else make(pass_func)


def _name_of(what: Any) -> str:
    if not callable(what):
        raise ArgumentTypeError(f"a pass is made of a function or a class, found {what!r}")
    return str(getattr(what, "__name__", type(what).__name__))


def make_function_pass(kind: type[BaseFunc]) -> Any:
    """The decorator that makes passes over functions of class `kind`: of a function
    `(func, mod, ctx) -> func`, or of a class with `transform_function`."""

    def function_pass(
        pass_func: Any = None,
        /,
        opt_level: int = 0,
        name: str | None = None,
        required: Sequence[str] | None = None,
        traceable: bool = False,
    ) -> Any:
        def make(what: Any) -> Any:
            info = PassInfo(opt_level, name or _name_of(what), tuple(required or ()), traceable)
            if isinstance(what, type):
                return class_pass(what, "transform_function", lambda f: FunctionPass(f, info, kind))
            return FunctionPass(what, info, kind)

        return make if pass_func is None else make(pass_func)

    return function_pass


def class_pass(cls: type, method: str, wrap: Callable[[Any], Pass]) -> Any:
    """A factory: called with the arguments of `cls`, it gives a pass around `method`."""

    @functools.wraps(cls, updated=())
    def factory(*args: Any, **options: Any) -> Pass:
        instance = cls(*args, **options)
        made = wrap(getattr(instance, method))
        made.instance = instance  # type: ignore[attr-defined]
        return made

    return factory


def PrintIR(header: str = "") -> Pass:
    """A pass that prints the module, after a line `header`."""

    def show(mod: IRModule, _: PassContext) -> IRModule:
        if header:
            print(header)
        print(mod)
        return mod

    return ModulePass(show, PassInfo(0, "PrintIR"))


def ApplyPassToFunction(
    transform: Pass, func_name_regex: str, error_if_no_function_matches_regex: bool = False
) -> Pass:
    """`transform` on the functions alone whose names begin with what the regular expression
    matches; `.*` at its start makes that anywhere.

    It sees the others as external functions, and a private function as a public one, so that it
    removes none. Raises `ArgumentError` where no function matches, if that is asked for.
    """

    def apply(mod: IRModule, _: PassContext) -> IRModule:
        chosen = {v: f for v, f in mod.items() if re.match(func_name_regex, v.name_hint)}
        if not chosen:
            if error_if_no_function_matches_regex:
                raise ArgumentError(
                    f"no function of the module matches {func_name_regex!r}",
                    note=f"it has {listing(mod.names())}",
                )
            return mod
        subset = mod.with_functions({v: _seen(v, chosen.get(v)) for v in mod})
        return _with_changed(mod, subset, transform(subset), chosen)

    return ModulePass(apply, PassInfo(0, f"ApplyPassTo{func_name_regex}"))


def _seen(var: GlobalVar, func: BaseFunc | None) -> BaseFunc:
    """What a pass sees of a function; of one that it is not to see (None) its name."""
    if func is None:
        importlib.import_module("tilewright.relax.expr")  # which knows functions by name
        made: BaseFunc = OPERATORS["extern_func"](var)
        return made
    return func if "global_symbol" in func.attrs else func.with_attr("global_symbol", var.name_hint)


def _with_changed(
    mod: IRModule, subset: IRModule, done: IRModule, chosen: dict[GlobalVar, BaseFunc]
) -> IRModule:
    """`mod` with what a pass made of the chosen functions, and those that it added."""
    if done is subset:
        return mod
    private = {v.name_hint for v, f in chosen.items() if "global_symbol" not in f.attrs}
    kept = set(mod.names()) - {v.name_hint for v in chosen}
    functions = {v.name_hint: (v, f) for v, f in mod.items()}
    for var, func in done.items():
        name = var.name_hint
        if name not in kept:
            functions[name] = (var, func.without_attr("global_symbol") if name in private else func)
    return mod.with_functions(dict(functions.values()))
