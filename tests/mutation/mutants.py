"""All small mistakes that could be made in a file: Cosmic Ray's operators, and a few that tables of data need.

Left alone are annotations, which nothing at run time looks at, and docstrings.
"""

import ast
import copy
import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

Span = tuple[tuple[int, int], tuple[int, int]]
"""From (line, column) to (line, column), as Cosmic Ray tells positions: lines from 1, columns from 0."""


@dataclass(frozen=True)
class Mutant:
    """A file with one mistake in it."""

    operator: str
    line: int
    code: str
    diff: str


SAME_QUESTION = ("_Is_Eq", "_Eq_Is", "_IsNot_NotEq", "_NotEq_IsNot")
"""Of enum members, None and booleans, `is` and `==` ask the same."""
NOBODYS_MISTAKE = tuple(f"_{identity}_{order}" for identity in ("Is", "IsNot") for order in ("Lt", "LtE", "Gt", "GtE"))
"""Nobody writes `status >= Status.DONE` for `status is Status.DONE`; identity is inverted, not ordered."""


def mutants_of(code: str) -> list[Mutant]:
    """Every mutant of this source, each once, in the order of its lines."""
    seen = {code, ast.unparse(ast.parse(code))}
    found = []
    for mutant in (*_by_cosmic_ray(code), *_by_table(code)):
        if mutant.code not in seen:
            seen.add(mutant.code)
            found.append(mutant)
    return sorted(found, key=lambda mutant: (mutant.line, mutant.operator))


def _by_cosmic_ray(code: str) -> Iterator[Mutant]:
    annotations = [_span(annotation) for annotation in _annotated(ast.parse(code))]
    nodes = list(ast_nodes(get_ast(code)))
    for name in operator_names():
        operator_class = get_operator(name)
        if operator_class.arguments() or name.endswith((*SAME_QUESTION, *NOBODYS_MISTAKE)):
            continue  # those with arguments want the names of variables to exchange
        operator = operator_class()
        places = [(node, place) for node in nodes for place in operator.mutation_positions(node)]
        for number, (node, (start, end)) in enumerate(places):
            if node.parent and node.parent.type in {"parameters", "param"} and node.type == "operator":
                continue  # the `*` of a signature is no product
            if any(first <= start and end <= last for first, last in annotations):
                continue
            mutated = mutate_code(code, operator, number)
            if mutated is not None:
                yield Mutant(name.removeprefix("core/"), start[0], mutated, _diff(code, mutated))


def _annotated(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        annotation = getattr(node, "annotation", None) or getattr(node, "returns", None)
        if isinstance(annotation, ast.expr):
            yield annotation


def _span(node: ast.expr) -> Span:
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)


def _by_table(code: str) -> Iterator[Mutant]:
    """A member left out of a set, tuple, list or dict; another value of an enum; a statement left out."""
    tree = ast.parse(code)
    plain = ast.unparse(tree)
    left_alone = {id(node) for annotation in _annotated(tree) for node in ast.walk(annotation)}
    for position, node in enumerate(ast.walk(tree)):
        for operator, index in () if id(node) in left_alone else _edits(node):
            changed = copy.deepcopy(tree)
            _edit(list(ast.walk(changed))[position], index)
            mutated = ast.unparse(ast.fix_missing_locations(changed))
            yield Mutant(operator, _line(node, index), mutated, _diff(plain, mutated))


def _edits(node: ast.AST) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Set | ast.List | ast.Tuple) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        yield from (("DropMember", index) for index in range(len(node.elts)))
    elif isinstance(node, ast.Dict):
        yield from (("DropMember", index) for index in range(len(node.keys)))
    elif isinstance(node, ast.ClassDef):
        yield from (("OtherValue", index) for index, each in enumerate(node.body) if _is_text(each))
    elif isinstance(node, ast.FunctionDef | ast.If | ast.For | ast.While):
        yield from (("DropStatement", index) for index, each in enumerate(node.body) if _does_something(each))


def _line(node: ast.AST, index: int) -> int:
    """Where the part of the node that is edited stands."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.If | ast.For | ast.While):
        return node.body[index].lineno
    return node.lineno if isinstance(node, ast.expr) else 0


def _edit(node: ast.AST, index: int) -> None:
    if isinstance(node, ast.Set | ast.List | ast.Tuple):
        del node.elts[index]
    elif isinstance(node, ast.Dict):
        del node.keys[index], node.values[index]
    elif isinstance(node, ast.ClassDef):
        member = node.body[index]
        assert isinstance(member, ast.Assign)
        member.value = ast.Constant("another value")
    elif isinstance(node, ast.FunctionDef | ast.If | ast.For | ast.While):
        node.body[index] = ast.Pass()


def _is_text(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Assign) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _does_something(statement: ast.stmt) -> bool:
    """Not a docstring, nor a block of statements, which are left out one by one."""
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Assign | ast.AugAssign | ast.Return | ast.Raise)


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return "\n".join(line for line in lines if line[:3] not in {"---", "+++"} and line[:2] != "@@")
