"""Modules that a config names: the package's own, or, where the name has a dot, the user's."""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from gnn_distill.errors import UserError


def module_of(key: str, name: str, package: str) -> ModuleType:
    """The module `<package>.<name>`; a name with a dot is a module on the Python path or in the working folder.

    Naming a module runs it: a config is code as far as it is trusted. Raises UserError where there is none.
    """
    if "." not in name:
        return import_module(f"{package}.{name}")
    here = str(Path.cwd())
    if here not in sys.path:  # a console script, unlike `python -m`, does not look there
        sys.path.append(here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if not name.startswith(f"{error.name}"):  # the module is there, and lacks something itself
            raise
        raise UserError(
            f"{key}={name}: there is no module {error.name}. Run from the folder that holds it, or put that folder "
            "on PYTHONPATH."
        ) from error


def file_of(key: str, name: str, package: str) -> str:
    """The file of that module."""
    return str(module_of(key, name, package).__file__)
