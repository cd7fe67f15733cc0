"""The rule of the rooms: a room imports only lower ones, and no modules import each other in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import gnn_distill

PACKAGE = Path(gnn_distill.__file__).parent
ROOMS = (
    "config",
    "storage",
    "data",
    "models",
    "losses",
    "analysis",
    "training",
    "results",
    "pipeline",
    "experiments",
    "cli",
    "api",
)
"""From the lowest to the highest. Single modules of the top level: GROUND lies below all rooms, FACES on losses."""
GROUND = ("errors", "interruption", "cpu", "formatting", "ranks")
FACES = ("extending", "predict")
HEIGHT = {"": -2, **dict.fromkeys(GROUND, -1), **{room: height for height, room in enumerate(ROOMS)}}
HEIGHT |= dict.fromkeys(FACES, HEIGHT["losses"] + 0.5)


def names() -> dict[str, Path]:
    """Every module of the package, without the package's own name."""
    paths = {path.relative_to(PACKAGE).with_suffix("").parts: path for path in sorted(PACKAGE.rglob("*.py"))}
    return {".".join(part for part in parts if part != "__init__"): path for parts, path in paths.items()}


MODULES = names()


def imports(name: str, types: bool) -> set[str]:
    """Modules of the package that a module imports anywhere; with `types` also for annotations alone."""
    found, waiting = set(), [ast.parse(MODULES[name].read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
            continue
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("gnn_distill."):
            base = node.module.removeprefix("gnn_distill").removeprefix(".")
            full = [f"{base}.{alias.name}".removeprefix(".") for alias in node.names]
            found |= {name if name in MODULES else base for name in full}
        waiting += ast.iter_child_nodes(node)
    return found


def test_a_room_imports_only_lower_ones() -> None:
    rooms = {name: name.partition(".")[0] for name in MODULES if name != "__main__"}
    wrong = {
        f"{name} imports {other}"
        for name, room in rooms.items()
        for other in imports(name, types=True)
        if rooms[other] != room and HEIGHT[rooms[other]] >= HEIGHT[room] and room
    }
    assert wrong == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    order = [*TopologicalSorter({name: imports(name, types=False) - {name} for name in MODULES}).static_order()]
    assert {*order} == {*MODULES}


def test_the_top_level_is_the_table_of_contents() -> None:
    top = {path.stem for path in PACKAGE.glob("[!_]*.py")}
    assert top == {*GROUND, *FACES}
    assert len(top) <= 7
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} == {*ROOMS}


def test_files_and_functions_are_short() -> None:
    lines = {name: path.read_text().count("\n") for name, path in MODULES.items()}
    functions = {
        f"{name}.{node.name}": node.end_lineno - node.lineno + 1
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert max(lines.values()) <= 275, max(lines, key=lines.get)
    assert max(functions.values()) <= 114, max(functions, key=functions.get)
