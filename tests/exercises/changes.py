"""Every small change of a function: a statement gone, a comparison turned, a condition always true.

    changes(node)    ("self._asleep -> if True", the changed function), …

Each changes one place.  Two changes of a function that read alike are told apart by a number:
"return -> pass", "return -> pass (2)".
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Collection, Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
Change = ast.AST | list[ast.stmt]  # what comes in the place of a node; a list, of a statement

TURNED: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.And: (ast.Or,),
    ast.Or: (ast.And,), ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Add,),
}
REMOVABLE = (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Delete, ast.Return, ast.Raise,
             ast.Assert, ast.Continue, ast.Break, ast.For, ast.While, ast.If)
SHOWN = 70  # characters of each side


def changes(function: Function, given: int = 0) -> Iterator[tuple[str, Function]]:
    """All changes of a function's body but for its docstring and its first `given` statements."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    places = {id(node): place for place, node in enumerate(ast.walk(function))}
    seen = Counter[str]()
    for statement in body[given:]:
        for node in _walk(statement):
            for new in _changes(node):
                said = f"{_short(node)} -> {_told(node, new)}"
                seen[said] += 1
                number = f" ({seen[said]})" if seen[said] > 1 else ""
                yield said + number, _with(function, places[id(node)], new)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """As ast.walk, in the order of the text, without asserts that only a type checker needs."""
    if not _is_for_the_type_checker(node):
        yield node
        for inner in ast.iter_child_nodes(node):
            yield from _walk(inner)


def _changes(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=[first, *_]):
            for turned in TURNED.get(type(first), ()):
                yield _but(node, ops=[turned(), *node.ops[1:]])
        case ast.BoolOp():
            yield _but(node, op=TURNED[type(node.op)][0]())
            for number in range(len(node.values)):
                left = [value for at, value in enumerate(node.values) if at != number]
                yield left[0] if len(left) == 1 else _but(node, values=left)
                turned = ast.UnaryOp(ast.Not(), node.values[number])
                yield _but(node, values=[*node.values[:number], turned, *node.values[number + 1:]])
        case ast.BinOp() | ast.AugAssign() if type(node.op) in TURNED:
            yield _but(node, op=TURNED[type(node.op)][0]())
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int()):
            yield from (ast.Constant(node.value + 1), ast.Constant(node.value - 1))
        case ast.IfExp():
            yield from (node.body, node.orelse)
        case ast.Call():
            for number in range(len(node.keywords)):
                yield _but(node, keywords=_without(node.keywords, number))
            for number, argument in enumerate(node.args):
                # What a line of the log says is nobody's business but the reader's.
                if not _is_none(argument) and not ast.unparse(node.func).startswith("gen_log."):
                    yield _but(node, args=_without(node.args, number))
                    yield _but(node, args=[ast.Constant(None) if at == number else other
                                           for at, other in enumerate(node.args)])
        case ast.Await():
            yield node.value
        case ast.Slice():
            for name in ("lower", "upper"):
                if getattr(node, name) is not None:
                    yield _but(node, **{name: None})
        case ast.Try():
            yield node.body  # and whatever happens, happens
            for number in range(len(node.handlers)):
                handlers = _without(node.handlers, number)
                if handlers or node.finalbody:
                    yield _but(node, handlers=handlers)
            if node.finalbody and node.handlers:
                yield _but(node, finalbody=[])
        case ast.Return(value=ast.expr()) if not _is_none(node.value):
            yield ast.Return(ast.Constant(None))
        case ast.Assign(targets=[ast.Tuple(elts=[_, _])]):
            pass
        case ast.Assign() | ast.AnnAssign(value=ast.expr()) if not _is_none(node.value):
            yield _but(node, value=ast.Constant(None))
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield _but(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.If):
        yield _but(node, test=ast.Constant(True))
        if node.orelse:
            yield node.orelse
    if isinstance(node, ast.Continue | ast.Break):
        yield ast.Break() if isinstance(node, ast.Continue) else ast.Continue()
    if isinstance(node, REMOVABLE) and not (isinstance(node, ast.If) and node.orelse):
        yield [ast.Pass()]


def _is_for_the_type_checker(node: ast.AST) -> bool:
    """`assert x is not None`: said to mypy, which does not see that it can't be otherwise."""
    return isinstance(node, ast.Assert) and ast.unparse(node.test).endswith(" is not None")


def _with(function: Function, place: int, new: Change) -> Function:
    """A copy of the function with something else in the place of its node of that number."""
    changed = copy.deepcopy(function)
    target = list(ast.walk(changed))[place]

    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST | list[ast.stmt]:
            return copy.deepcopy(new) if node is target else self.generic_visit(node)

    Put().visit(changed)
    return ast.fix_missing_locations(changed)


def _but(node: ast.AST, **fields: object) -> ast.AST:
    return ast.copy_location(type(node)(**{**dict(ast.iter_fields(node)), **fields}), node)


def _without(items: Collection[ast.AST], number: int) -> list[ast.AST]:
    return [item for at, item in enumerate(items) if at != number]


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _told(old: ast.AST, new: Change) -> str:
    if isinstance(new, list):
        return "pass" if len(new) == 1 and isinstance(new[0], ast.Pass) else "its body alone"
    if isinstance(old, ast.If | ast.While) and isinstance(new, ast.If | ast.While):
        return "if True" if isinstance(new.test, ast.Constant) else "if not"
    if isinstance(old, ast.Try):
        assert isinstance(new, ast.Try)
        missing = [ast.unparse(handler).splitlines()[0] for handler in old.handlers
                   if handler not in new.handlers]
        return f"without {(missing or ['finally'])[0]}"
    return _short(new)


def _short(node: ast.AST) -> str:
    first, *more = ast.unparse(node).splitlines()
    return first[:SHOWN] + (" …" if more or len(first) > SHOWN else "")
