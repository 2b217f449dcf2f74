"""Docs are written as Python text."""

from typing import Any

import pytest

from tilewright.ffi.access_path import AccessPath
from tilewright.script.printer import doc as D
from tilewright.script.printer.doc import IdDoc, OperationKind
from tilewright.script.printer.doc_printer import to_python_script
from tilewright.support.errors import ArgumentError

X, Y, Z = IdDoc("x"), IdDoc("y"), IdDoc("z")
SAY = D.ExprStmtDoc(X)


def op(name: str, *operands: D.ExprDoc) -> D.OperationDoc:
    return D.OperationDoc(OperationKind[name], operands)


def at(doc: Any, *names: str) -> Any:
    doc.source_paths = [AccessPath.root().attr(name) for name in names]
    return doc


EXPRESSIONS = [
    (D.LiteralDoc(None), "None"), (D.LiteralDoc(True), "True"), (D.LiteralDoc(-1), "-1"),
    (D.LiteralDoc(0.5), "0.5"), (D.LiteralDoc(float("inf")), 'float("inf")'),
    (D.LiteralDoc('a "b"\n'), r'"a \"b\"\n"'), (X.attr("a").attr("b"), "x.a.b"),
    (X[()], "x[()]"), (X[Y, Z], "x[y, z]"), (X[D.SliceDoc(Y)], "x[y:]"),
    (X[D.SliceDoc(None, Y, Z), Z], "x[:y:z, z]"), (X[D.SliceDoc(None, None, Z)], "x[::z]"),
    (X.call(), "x()"), (X.call(Y, key=Z), "x(y, key=z)"),
    (D.LambdaDoc([], D.LiteralDoc(0)), "lambda : 0"), (D.LambdaDoc([X, Y], Z), "lambda x, y: z"),
    (D.TupleDoc([]), "()"), (D.TupleDoc([X]), "(x,)"), (D.ListDoc([X, Y]), "[x, y]"),
    (D.DictDoc({D.LiteralDoc("k"): X}), '{"k": x}'), (D.DictDoc({}), "{}"),
    (op("USub", X), "-x"), (op("Invert", X), "~x"), (op("Not", X), "not x"),
    *[
        (op(name, X, Y), f"x {symbol} y")
        for name, symbol in {
            "Add": "+", "Sub": "-", "Mult": "*", "Div": "/", "FloorDiv": "//", "Mod": "%",
            "Pow": "**", "LShift": "<<", "RShift": ">>", "BitAnd": "&", "BitOr": "|",
            "BitXor": "^", "Lt": "<", "LtE": "<=", "Eq": "==", "NotEq": "!=", "Gt": ">",
            "GtE": ">=", "And": "and", "Or": "or",
        }.items()
    ],
    (op("IfThenElse", X, Y, Z), "y if x else z"),
]  # fmt: skip

PRECEDENCE = [
    (op("Add", X, Y).attr("a"), "(x + y).a"),
    (op("Sub", op("Sub", X, Y), op("Sub", Y, Z)), "x - y - (y - z)"),
    (op("Mult", op("Add", X, Y), Z), "(x + y) * z"),
    (op("Add", op("Mult", X, Y), Z), "x * y + z"),
    (op("Pow", op("Pow", X, Y), Z), "(x ** y) ** z"),
    (op("Pow", X, op("Pow", Y, Z)), "x ** y ** z"),
    (op("Pow", op("USub", X), op("USub", Y)), "(-x) ** -y"),
    (op("Not", op("Eq", X, Y)), "not x == y"),
    (op("And", op("Not", X), op("Or", Y, Z)), "not x and (y or z)"),
    (op("Lt", op("Lt", X, Y), Z), "(x < y) < z"),
    (op("BitOr", op("BitAnd", X, Y), op("BitXor", Y, Z)), "x & y | y ^ z"),
    (op("Div", X, op("LShift", Y, Z)), "x / (y << z)"),
    (op("IfThenElse", op("IfThenElse", X, X, X), op("IfThenElse", Y, Y, Y), Z),
     "y if y else y if (x if x else x) else z"),
    (op("Lt", X, op("IfThenElse", Y, Y, Y)), "x < (y if y else y)"),
    (D.LambdaDoc([X], D.LambdaDoc([Y], Z)).call(X), "(lambda x: lambda y: z)(x)"),
]  # fmt: skip


@pytest.mark.parametrize(("doc", "text"), [*EXPRESSIONS, *PRECEDENCE])
def test_expressions(doc: D.Doc, text: str) -> None:
    assert to_python_script(doc) == text


ARG = D.AssignDoc(X, None, IdDoc("int"))
FUNCTION = D.FunctionDoc(
    IdDoc("f"), [ARG, D.AssignDoc(Y, D.LiteralDoc(1), IdDoc("int"))], [Z], D.LiteralDoc(None), []
)
STATEMENTS = [
    (D.StmtBlockDoc([]), ""),
    (D.StmtBlockDoc([SAY, D.ExprStmtDoc(Y)]), "x\ny"),
    (D.AssignDoc(X, Y, IdDoc("int")), "x: int = y"),
    (D.AssignDoc(X, None, IdDoc("int")), "x: int"),
    (D.AssignDoc(D.TupleDoc([X, D.TupleDoc([Y, Z])]), Z), "x, (y, z) = z"),
    (D.IfDoc(X, [], [SAY]), "if x:\n    pass\nelse:\n    x"),
    (D.WhileDoc(X, [SAY]), "while x:\n    x"),
    (D.ForDoc(D.TupleDoc([X, Y]), Z, []), "for x, y in z:\n    pass"),
    (D.ScopeDoc(X, Y.call(), [SAY]), "with y() as x:\n    x"),
    (D.ScopeDoc(Y.call(), [SAY]), "with y():\n    x"),
    (D.AssertDoc(X, D.LiteralDoc("no")), 'assert x, "no"'),
    (D.ReturnDoc(X), "return x"),
    (D.CommentDoc("one\ntwo"), "# one\n# two"),
    (D.DocStringDoc("one\ntwo"), '"""\none\ntwo\n"""'),
    (FUNCTION, "@z\ndef f(x: int, y: int = 1) -> None:\n    pass"),
    (D.ClassDoc(X, [Y], [FUNCTION, FUNCTION]),
     "@y\nclass x:\n    @z\n    def f(x: int, y: int = 1) -> None:\n        pass\n\n"
     "    @z\n    def f(x: int, y: int = 1) -> None:\n        pass"),
]  # fmt: skip


@pytest.mark.parametrize(("doc", "text"), STATEMENTS)
def test_statements(doc: D.Doc, text: str) -> None:
    assert to_python_script(doc) == text


COMMENTS = [
    (D.ExprStmtDoc(X), "x  # why"),
    (D.WhileDoc(X, []), "# why\nwhile x:\n    pass"),
    (D.ClassDoc(X, [], []), 'class x:\n    """\n    why\n    """\n    pass'),
]


@pytest.mark.parametrize(("doc", "text"), COMMENTS)
def test_comments(doc: D.StmtDoc, text: str) -> None:
    assert doc.comment is None
    doc.comment = "why"
    assert to_python_script(doc) == text


def test_a_comment_of_several_lines_has_no_place_after_a_statement() -> None:
    doc = D.ReturnDoc(X)
    doc.comment = "one\ntwo"
    with pytest.raises(ArgumentError, match="the comment of a ReturnDoc cannot have newline"):
        to_python_script(doc)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: D.AssignDoc(X), "an AssignDoc needs a value or an annotation"),
        (lambda: D.AssignDoc(D.TupleDoc([X]), Y, Z), "only a name has an annotation"),
        (lambda: D.IfDoc(X, [], []), "both branches of an IfDoc are empty"),
        (lambda: D.ScopeDoc(X), "a ScopeDoc is written ScopeDoc"),
        (lambda: to_python_script(op("Add", X)), "Add has 2 operands, found 1"),
    ],
)
def test_docs_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_docs_keep_their_parts() -> None:
    call = D.CallDoc(X, Y, key=Z)
    assert (call.callee, call.args, call.kwargs_keys) == (X, (Y,), ("key",))
    assert D.DictDoc({X: Y}).values == (Y,)
    assert X.source_paths == ()
    assert "_source_paths" not in at(IdDoc("n"), "a").__dict__


def lines(*names: str) -> D.StmtBlockDoc:
    return D.StmtBlockDoc([D.ExprStmtDoc(at(IdDoc(name), name)) for name in names])


def path(*names: str) -> AccessPath:
    made = AccessPath.root()
    for name in names:
        made = made.attr(name)
    return made


def test_what_a_path_names_is_underlined() -> None:
    both = op("Add", at(IdDoc("foo"), "foo"), at(IdDoc("bar"), "bar"))
    doc = D.StmtBlockDoc([D.ExprStmtDoc(both), *lines("foo").stmts])
    assert to_python_script(doc, path_to_underline=[path("foo")]) == "foo + bar\n^^^\nfoo\n^^^"
    assert (
        to_python_script(doc, print_line_numbers=True, path_to_underline=[path("bar")])
        == "1 foo + bar\n        ^^^\n2 foo"
    )


def test_the_nearest_part_on_the_way_is_underlined() -> None:
    inner = IdDoc("inner")
    inner.source_paths = [path("foo", "a")]
    doc = D.StmtBlockDoc([*lines("foo").stmts, D.ExprStmtDoc(inner)])
    text = to_python_script(doc, path_to_underline=[path("foo", "a", "b")])
    assert text == "foo\ninner\n^^^^^"


def test_only_lines_around_are_shown() -> None:
    doc = lines(*(f"x{n}" for n in range(9)))
    text = to_python_script(doc, num_context_lines=1, path_to_underline=[path("x2"), path("x6")])
    assert text == ("x0\nx1\nx2\n^^\nx3\nx4\nx5\nx6\n^^\nx7\nx8")  # a single line is never left out
    text = to_python_script(doc, 4, True, num_context_lines=1, path_to_underline=[path("x4")])
    assert text == ("(... 3 lines skipped ...)\n4 x3\n5 x4\n  ^^\n6 x5\n(... 3 lines skipped ...)")
    assert to_python_script(doc, num_context_lines=1) == "\n".join(f"x{n}" for n in range(9))
