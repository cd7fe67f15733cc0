"""Modules and classes that a config names: this package's, or the user's."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from gnn_distill.config.module_files import path_of
from gnn_distill.errors import UserError, refuse, suggest

MODULES = {
    "dataset.source": "gnn_distill.data.sources",
    "teacher.name": "gnn_distill.models.teachers",
    "student.name": "gnn_distill.models.students",
}
"""Keys that name a module, and the package that holds this package's; a name with a dot is a module of the user's."""
TRACKERS = {"tracker.name": "gnn_distill.training.trackers"}
"""The same of modules on which no result depends."""
EXAMPLES = {"class": "my_package.MyClass", "function": "my_package.my_function"}


def full_name(key: str, name: str) -> str:
    """The full name of the module that `key=name` chooses."""
    return name if "." in name else f"{(MODULES | TRACKERS)[key]}.{name}"


def names_of_modules(key: str) -> list[str]:
    """Names of this package's modules for a key, sorted, found without importing one."""
    return sorted(path.stem for path in path_of((MODULES | TRACKERS)[key]).parent.glob("[!_]*.py"))


def function_of(key: str, name: str, function: str) -> Callable[..., Any]:
    """A function of the module that `key=name` chooses. Raises UserError where the user's module has none."""
    return getattr(module_of(key, name, function), function)


def module_of(key: str, name: str, function: str) -> ModuleType:
    """The module that `key=name` chooses. Raises UserError where the user's has no such function."""
    module = users_module(key, name) if "." in name else import_module(full_name(key, name))
    if not callable(getattr(module, function, None)):
        raise UserError(f"{key}={name}: this module has no function {function}(). Write one, or choose another module.")
    return module


def object_of(key: str, path: str, kind: str = "class") -> Any:
    """The user's class or function with the import path `path`. Raises UserError if it does not exist."""
    name, _, attribute = path.rpartition(".")
    if not name or not attribute:
        raise invalid_path(key, path, kind)
    module = users_module(key, name)
    if not hasattr(module, attribute):
        hint = suggest(attribute, vars(module))
        raise UserError(f"{key}={path}: {name} has no {attribute}.{hint}")
    found = getattr(module, attribute)
    if not callable(found) or source_of(found) is None:
        raise UserError(f"{key}={path}: not a class or function of a Python file. Give the path of your {kind}.")
    return found


def check_object_path(key: str, path: str, kind: str) -> None:
    """Raise UserError unless `path` is an import path: a module's name, a dot, and a name in it."""
    parts = path.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise invalid_path(key, path, kind)


def invalid_path(key: str, path: str, kind: str) -> UserError:
    """The error for a path that is not the import path of a class or function."""
    return refuse(key, path, f"must be the import path of a {kind}: {key}={EXAMPLES[kind]}.")


def source_of(thing: Any) -> str | None:
    """The Python file that defines a class or function; None for one that is built in."""
    return getattr(sys.modules.get(getattr(thing, "__module__", "")), "__file__", None)


def check_module_path(key: str, name: str) -> None:
    """Raise UserError unless `name` is a module's full name: Python names joined by dots."""
    if not all(part.isidentifier() for part in name.split(".")):
        raise UserError(f"{key}={name}: must be the import path of a module, as in {key}=my_package.mine.")


def users_module(key: str, name: str) -> ModuleType:
    """A module on the Python path or in the working folder.

    Importing a module runs it: trust a config as you would trust code. Raises UserError if it does not exist.
    """
    check_module_path(key, name)
    search_working_folder()
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if not name.startswith(f"{error.name}"):  # the module exists; something that it imports does not
            raise
        raise UserError(
            f"{key}={name}: no module named {error.name}. Run from the folder that contains it, or add that folder "
            "to PYTHONPATH."
        ) from error


def search_working_folder() -> None:
    """Make modules of the working folder importable: a console script, unlike `python -m`, does not search it."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
