"""Source files of modules, found by their names without importing anything."""

import sysconfig
from importlib import util
from importlib.machinery import ModuleSpec
from pathlib import Path

NAME = __name__.partition(".")[0]
PACKAGE = Path(__file__).parents[1]
INSTALLED = tuple({Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")})
SITES = {"site-packages", "dist-packages"}
"""Names of the folders that packages are installed in, also by other environments, for one user, and by Debian."""


def path_of(name: str) -> Path | None:
    """The file of a module; None where the name is not a module's."""
    top, *rest = name.split(".")
    places = places_of(top)
    if not rest:
        return next((place / "__init__.py" for place in places if (place / "__init__.py").is_file()), module_file(top))
    folders = [place.joinpath(*rest) for place in places]
    files = (file for folder in folders for file in (folder.with_suffix(".py"), folder / "__init__.py"))
    return next((file for file in files if file.is_file()), None)


def places_of(top: str) -> tuple[Path, ...]:
    """The folders of a top-level package; empty for a module that is a single file, or does not exist."""
    if top == NAME:
        return (PACKAGE,)
    spec = _spec(top)
    return tuple(map(Path, spec.submodule_search_locations or ())) if spec is not None else ()


def module_file(top: str) -> Path | None:
    """The file of a top-level module."""
    spec = _spec(top)
    return Path(spec.origin) if spec is not None and spec.has_location else None


def _spec(top: str) -> ModuleSpec | None:
    return util.find_spec(top) if top.isidentifier() else None


def is_installed(top: str) -> bool:
    """Whether a top-level package was installed, so that its version identifies its code."""
    if top == NAME:
        return False
    places = places_of(top) or tuple(filter(None, [module_file(top)]))
    return any(map(_in_a_site, places))


def _in_a_site(place: Path) -> bool:
    """Whether an installer has put it there: into this environment, another one on the path, or a --target."""
    place = place.resolve()
    known = any(installed in place.parents for installed in INSTALLED) or not SITES.isdisjoint(place.parts)
    return known or any(place.parent.glob("*.dist-info"))


def source_of(name: str) -> bytes | None:
    """The bytes of a module's file; None where there is none."""
    path = path_of(name)
    return path.read_bytes() if path is not None and path.is_file() else None
