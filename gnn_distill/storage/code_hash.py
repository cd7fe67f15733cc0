"""Which code a result depends on: all modules that its root modules import, directly or indirectly, and their hash.

Imports are read from the sources, without importing anything: no module that takes part can be forgotten, and modules
that are not imported change no key.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from gnn_distill.config.module_files import NAME, is_installed, path_of, source_of

EXEMPT = {
    "config.schema": "its values are part of the key",
    "errors": "formats errors, computes nothing",
    "training.console": "shows what happens",
    "training.progress": "shows what happens",
    "training.terminal": "shows what happens",
    "training.tracking": "copies what was recorded",
    "training.tracker": "copies what was recorded",
    "training.tracker_process": "copies what was recorded",
    "training.trackers": "copies what was recorded",
    "storage.provenance": "describes the machine",
    "storage.code_hash": "names what is hashed here",
    "config.module_files": "finds modules by their names, and those are hashed",
    "config.plugins": "finds modules by their names, and those are hashed",
    "storage.files": "writes and reads bytes, which checksums guard",
    "storage.checksums": "writes and reads bytes, which checksums guard",
    "storage.bounded": "writes and reads bytes, which checksums guard",
    "storage.store": "where results are stored",
    "storage.versions": "which files are read; keys contain what matters of it",
    "storage.run_directory": "where results are stored",
    "storage.run_lock": "where results are stored",
    "storage.metrics_file": "where results are stored",
    "storage.resume": "how a stopped run is resumed; its result is as if it had not been stopped",
    "storage.settings": "how a run's settings are stored; their values are part of the key",
    "config.naming": "what a run is called",
    "config.quoting": "how a command line is written",
    "interruption": "how a run is stopped",
    "formatting": "how numbers are shown",
    "storage.privacy": "what leaves this machine",
    "results": "draws pages and tables from finished results",
    "predict": "uses a finished student",
    "pipeline.finished_run": "reads finished models",
    "pipeline.kept_predictions": "copies what was evaluated",
    "pipeline.floors": "what models are compared with; its entries have keys of their own",
    "training.resampling": "says how far a result can be trusted",
    "training.uncertainty": "says how far a result can be trusted",
    "pipeline.probe": "examines finished models",
    "pipeline.profile": "examines finished models",
    "data.assembly.seen": "describes the training part to a finished student",
}
"""Modules and packages that may change without changing a result, and why."""
ANNOTATIONS = ("jaxtyping", "omegaconf", "hydra", "rich", "filelock")
"""Packages that compute nothing."""


class Imports(NamedTuple):
    """The imports in the source of a module, except those used only for annotations."""

    modules: frozenset[str]
    """Names of modules whose source is hashed: this package's and the user's."""
    packages: frozenset[str]
    """Top-level names of installed packages."""


class Code(NamedTuple):
    """The code that a result depends on."""

    modules: tuple[str, ...]
    digest: str
    packages: dict[str, str]
    """Versions of the installed packages that these modules import."""

    def to_key(self) -> dict[str, Any]:
        """The entries for a key of the store."""
        return {"code": self.digest, "packages": self.packages}


def code_of(roots: Iterable[str], without: Iterable[str] = (), ours: bool = True) -> Code:
    """The modules that `roots` need, the hash of their sources, and the packages that they import.

    Roots are full names of modules, of this package or the user's; `without`: names of further modules of this package
    to leave out, in addition to EXEMPT; ours=False leaves out all of them. Parent packages count as imported.
    """
    exempt = tuple(f"{NAME}.{name}" for name in (*EXEMPT, *without)) if ours else (NAME,)
    roots = tuple(dict.fromkeys(roots))
    fixed = all(root.partition(".")[0] == NAME for root in roots)  # modules of the user may be edited while we run
    return (_known if fixed else _code_of)(roots, exempt)


def _code_of(roots: tuple[str, ...], exempt: tuple[str, ...]) -> Code:
    found: set[str] = set()
    packages: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        left_out = any(name == other or name.startswith(f"{other}.") for other in exempt)
        if name in found or name == NAME or (left_out and name not in roots):
            continue
        found.add(name)
        imports = imports_of(name)
        waiting += imports.modules
        packages |= imports.packages
        waiting += [parent] if (parent := name.rpartition(".")[0]) else []
    digest, sources = hashlib.sha256(), {name: source_of(name) for name in sorted(found)}
    modules = tuple(name for name, source in sources.items() if source is not None)  # a folder may have none
    for name in modules:
        digest.update(name.encode() + b"\0" + sources[name] + b"\0")
    versions = {name: version for name in sorted(packages) if (version := version_of(name)) is not None}
    return Code(modules, digest.hexdigest()[:20], versions)


_known = cache(_code_of)


def imports_of(name: str) -> Imports:
    """What a module imports; nothing if it has no Python source."""
    source, path = source_of(name), path_of(name)
    if source is None or path.suffix != ".py":
        return Imports(frozenset(), frozenset())
    return (_read_once if name.partition(".")[0] == NAME else _read)(name, path, source)


def _read(name: str, path: Path, source: bytes) -> Imports:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    modules, packages = set(), set()
    for imported in _imported(ast.parse(source), package):
        top, module = imported.partition(".")[0], imported
        if top in sys.stdlib_module_names:
            continue
        if top != name.partition(".")[0] and is_installed(top):
            packages.add(top)
            continue
        while module and path_of(module) is None:  # a class or function, or a folder without __init__.py
            module = module.rpartition(".")[0]
        modules |= {module} if module else set()
        packages |= set() if module else {top}
    return Imports(frozenset(modules), frozenset(packages))


_read_once = cache(_read)


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Full names of the imported modules or of members of them; `if TYPE_CHECKING` is skipped."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                for other in node.orelse:
                    yield from _imported(other, package)
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                yield from (f"{base}.{alias.name}" for alias in node.names)
            case _:
                yield from _imported(node, package)


@cache
def version_of(package: str) -> str | None:
    """The version of the distribution that contains a package; None if it is unknown, or computes nothing."""
    if package in ANNOTATIONS:
        return None
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        names = metadata.packages_distributions().get(package)
        return metadata.version(names[0]) if names else None
