"""The package's structure: folders import one way only, files stay small, and a class name means one thing."""

import ast
import re
from collections import defaultdict
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "openfaith_sync"
MOST_LINES = 400
NOT_IMPERATIVE = re.compile(r"(Give|Gives|Have|Let|Whoever|Whether|Says?)\b")


@cache
def modules() -> dict[str, Path]:
    """Return the path of each module of the package by its dotted name."""
    paths = PACKAGE.rglob("*.py")
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imported_modules(path: Path) -> set[str]:
    """Return the modules of the package that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(modules())


def folder_graph() -> dict[Path, set[Path]]:
    """Return the folders that each folder's own files import from."""
    graph: dict[Path, set[Path]] = defaultdict(set)
    for path in modules().values():
        for name in imported_modules(path):
            imported = modules()[name]
            if imported.name != "__init__.py" and imported.parent != path.parent:
                graph[path.parent].add(imported.parent)
    return graph


def test_folders_import_one_way_only() -> None:
    order = list(TopologicalSorter(folder_graph()).static_order())
    assert len(order) > len([path for path in PACKAGE.iterdir() if path.is_dir()])


def test_files_stay_below_the_limit() -> None:
    paths = [*PACKAGE.rglob("*.py"), *(ROOT / "openfaith_sync_tests").rglob("*.py")]
    assert {str(path): lines for path in paths if (lines := len(path.read_text().splitlines())) > MOST_LINES} == {}


def test_a_class_name_means_one_thing() -> None:
    places = defaultdict(set)
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].add(name)
    assert {name: sorted(found) for name, found in places.items() if len(found) > 1} == {}


def test_docstrings_of_functions_begin_with_a_verb_that_readers_expect() -> None:
    found = []
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            docstring = ast.get_docstring(node) or ""
            is_property = any(ast.unparse(decorator).endswith("property") for decorator in node.decorator_list)
            if not is_property and NOT_IMPERATIVE.match(docstring):
                found.append(f"{name}.{node.name}: {docstring.splitlines()[0]}")
    assert found == []
