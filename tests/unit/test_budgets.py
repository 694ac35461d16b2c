"""The budgets that keep the code small: sizes, parameters, annotations, who may print or exit.

Complexity is ruff's (C901, at most 10).
"""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "elasticluster"

MEDIAN_LINES = 10
MAX_LINES = 60
MAX_FILE_LINES = 500
MAX_PARAMETERS = 6

DOCUMENTED_SIGNATURES = {
    # Users' programs call or override these, also by position: how many parameters besides self.
    "AbstractCloudProvider.start_instance": 10,
    "AnsibleSetupProvider.__init__": 8,
    "BotoCloudProvider.__init__": 7,
    "BulkCloudProvider.start_instance": 10,
    "Cluster.__init__": 13,
    "Cluster.add_node": 8,
    "Cluster.add_nodes": 8,
    "Node.__init__": 14,
    "OpenStackCloudProvider.__init__": 8,
}

MAY_PRINT_AND_EXIT = (
    "cli/",
    "__main__.py",
    "main.py",
    "playbooks/",  # programs of their own, which run on nodes
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Found:
    """A function and where it stands."""

    file: str
    name: str
    node: Function
    method: bool

    @property
    def place(self) -> str:
        return f"{self.file}:{self.node.lineno} {self.name}"

    @property
    def lines(self) -> int:
        """Lines from ``def`` to the end, without the docstring."""
        first = self.node.body[0]
        documented = ast.get_docstring(self.node, clean=False) is not None
        doc = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
        return (self.node.end_lineno or 0) - self.node.lineno + 1 - doc

    @property
    def parameters(self) -> list[ast.arg]:
        """Parameters besides ``self`` and ``cls``."""
        args = self.node.args
        everything = [*args.posonlyargs, *args.args, *args.kwonlyargs]
        everything += [extra for extra in (args.vararg, args.kwarg) if extra]
        static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in self.node.decorator_list)
        return everything[1:] if self.method and not static else everything


def files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def functions_of(path: Path) -> Iterator[Found]:
    relative = path.relative_to(SOURCE).as_posix()

    def inside(parent: ast.AST, prefix: str) -> Iterator[Found]:
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, Function):
                method = isinstance(parent, ast.ClassDef)
                yield Found(file=relative, name=prefix + node.name, node=node, method=method)
            scope = f"{prefix}{node.name}." if isinstance(node, (Function, ast.ClassDef)) else prefix
            yield from inside(node, scope)

    yield from inside(ast.parse(path.read_text(encoding="utf-8")), "")


@cache
def functions() -> tuple[Found, ...]:
    found = tuple(function for path in files() for function in functions_of(path))
    assert found, f"no functions found under {SOURCE}"
    return found


def assert_none(offenders: list[str]) -> None:
    assert not offenders, "\n".join(["over the budget:", *offenders])


def test_functions_median_length() -> None:
    assert statistics.median(function.lines for function in functions()) <= MEDIAN_LINES


def test_functions_maximum_length() -> None:
    assert_none([f"{f.place}: {f.lines}" for f in functions() if f.lines > MAX_LINES])


def test_files_length() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files()}
    assert_none([f"{path}: {lines}" for path, lines in lengths.items() if lines > MAX_FILE_LINES])


def test_functions_parameters() -> None:
    def allowed(function: Found) -> int:
        return DOCUMENTED_SIGNATURES.get(function.name, MAX_PARAMETERS)

    assert_none([f"{f.place}: {len(f.parameters)}" for f in functions() if len(f.parameters) > allowed(f)])


def test_documented_signatures_are_all_needed() -> None:
    counts = {function.name: len(function.parameters) for function in functions()}
    wide = {name: count for name, count in counts.items() if count > MAX_PARAMETERS}
    assert wide == DOCUMENTED_SIGNATURES


def test_functions_annotated() -> None:
    def gaps(function: Found) -> list[str]:
        missing = [arg.arg for arg in function.parameters if arg.annotation is None]
        return missing + (["return"] if function.node.returns is None else [])

    assert_none([f"{f.place}: {gaps(f)}" for f in functions() if gaps(f)])


def is_call_that_prints_or_exits(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute):
        return ast.unparse(node.func) in {"sys.exit", "os._exit", "sys.stdout.write", "sys.stderr.write"}
    return isinstance(node.func, ast.Name) and node.func.id in {"print", "exit", "quit", "input"}


def test_only_the_command_line_prints_and_exits() -> None:
    silent = [p for p in files() if not p.relative_to(SOURCE).as_posix().startswith(MAY_PRINT_AND_EXIT)]
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in silent
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and is_call_that_prints_or_exits(node)
    ]
    assert_none(found)


def test_lines_do_not_count_the_docstring() -> None:
    node = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1').body[0]
    assert isinstance(node, ast.FunctionDef)
    assert Found(file="", name="f", node=node, method=False).lines == 2
