"""Raw files: your data folder first, then the mirror, then a download; torch is not needed to find them."""

import io
import os
import shutil
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gnn_distill.config.node_families import FAMILIES
from gnn_distill.data.reading.pickles import tensors_only
from gnn_distill.data.reading.processed import drop_outdated, looks_outdated, record
from gnn_distill.errors import UserError, suggest

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig

MIRROR_VARIABLE = "GNN_DISTILL_MIRROR"
FOLDERS = {
    "tudataset": "TUDataset/{name}",
    "moleculenet": "MoleculeNet/{lower}",
    "zinc": "ZINC",
    "peptides": "LRGB/peptides-func",
    "peptides_struct": "LRGB/peptides-struct",
    "planar_sat": "expressiveness/{name}",
    "sr25": "expressiveness/SR25",
    "graph8c": "expressiveness/graph8c",
    "brec": "expressiveness/BREC",
    "csl": "GNNBenchmarkDataset/CSL",
    "gnn_benchmark": "GNNBenchmarkDataset/{name}",
    "planetoid": "Planetoid/{name}",
    "coauthor": "Coauthor/{name}",
    "ogbn": "OGB/{lower}",
    **{source: family.folder for source, family in FAMILIES.items()},
}
"""By source: the folder of a set, both below the data folder and below the mirror; its raw files are in raw/."""
PROBE_SECONDS = 5
READ_SECONDS = 60
T = TypeVar("T")


def data_root(paths: "PathsConfig") -> Path:
    """The user's data folder."""
    return Path(paths.data).expanduser()


def mirror_root(paths: "PathsConfig") -> Path | None:
    """The mirror: `paths.mirror`, else the environment variable GNN_DISTILL_MIRROR, else None."""
    key, value = ("paths.mirror", paths.mirror) if paths.mirror else (MIRROR_VARIABLE, os.environ.get(MIRROR_VARIABLE))
    if not value:
        return None
    root = Path(value).expanduser()
    if not root.is_dir():
        raise UserError(f"{key}={value}: no such folder. Set it to the mirror of raw files, or unset it.")
    return root


def folder_of(source: str, name: str) -> str:
    """The folder of a set in the layout of PyG's class: `<class>/<name>`, or `<class>`."""
    return FOLDERS[source].format(**spelled(name))


def spelled(name: str) -> dict[str, str]:
    """The spellings of a set's name in paths and URLs."""
    return {"name": name, "lower": name.lower().replace("-", "_")}


def known_name(name: str, collection: str, names: Collection[str]) -> str:
    """`name` as spelled in its collection; raises UserError if it is not one of `names`."""
    by_lower = {known.lower(): known for known in names}
    if name.lower() not in by_lower:
        hint = suggest(name, names)
        raise UserError(f"dataset.name={name}: {collection} has no such set.{hint} Choose {', '.join(names)}.")
    return by_lower[name.lower()]


def find(paths: "PathsConfig", relative: str) -> Path | None:
    """A file or folder below the data folder, else below the mirror; None if neither has it."""
    roots = [data_root(paths), mirror_root(paths)]
    return next((root / relative for root in roots if root and (root / relative).exists()), None)


def read(
    build: Callable[[str], T], folder: str, files: list[str], url: str, paths: "PathsConfig", code: Sequence[str] = ()
) -> T:
    """The result of `build(root)`, where root is the root of a PyG data set with its raw files.

    folder: the set's own folder, `<PyG class>` or `<PyG class>/<name>`; its raw files are in `<folder>/raw`.
    files: the required raw files; a mirror may have them in `<folder>` itself.
    url: where PyG would download from.
    code: modules of this package that turn raw files into graphs.
    A new set is copied or downloaded, and processed, in a temporary folder next to its place and then moved there, its
    raw files last, so that an interrupted or a parallel run never leaves half a set. If raw files or code have changed
    since, it is processed again. The mirror is only read; so is a read-only data folder that contains the set.
    Raises UserError if the files are in neither folder and cannot be downloaded.
    """
    root, home, top = data_root(paths), data_root(paths) / folder, folder.split("/")[0]
    try:
        lock = _lock(root, f".{folder.replace('/', '-')}.lock")
    except OSError as error:
        if _complete(home / "raw", files):
            return _read_only(build, root, folder, code)
        raise UserError(f"paths.data={root}: cannot be written ({error}). Choose another folder.") from error
    with lock, _quiet(), tensors_only():
        if not _complete(home / "raw", files):
            with tempfile.TemporaryDirectory(dir=root, prefix=".partial-") as partial:
                _gather(build, Path(partial), folder, files, url, paths)
                record(Path(partial) / folder, code)
                _put(Path(partial) / folder, home)
        drop_outdated(home, code)
        result = _built(build, root / top, home)
        record(home, code)
        return result


def _read_only(build: Callable[[str], T], root: Path, folder: str, code: Sequence[str]) -> T:
    """The result of `build` for a complete set in a read-only data folder, which cannot be locked."""
    home = root / folder
    remedy = f"Set paths.data to a folder of your own, and paths.mirror={root}: its raw files are copied from there."
    if looks_outdated(home, code):
        raise UserError(
            f"{home}: its processed files are older than its raw files or than the code that made them, and the folder "
            f"cannot be written. {remedy}"
        )
    try:
        with _quiet(), tensors_only():
            return _built(build, root / folder.split("/")[0], home)
    except OSError as error:
        raise UserError(f"{home}: has not been processed yet, and cannot be written ({error}). {remedy}") from error


def _built(build: Callable[[str], T], root: Path, home: Path, origin: object = None) -> T:
    """`build(root)`; raises UserError, naming the folder, or `origin`, if it cannot read the files."""
    try:
        return build(str(root))
    except OSError:
        raise
    except UserError as error:
        raise UserError(str(error).replace(str(home), str(origin or home))) from error  # not the temporary copy
    except Exception as error:  # foreign files, read by foreign code, may raise anything
        why = f"cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        processed = sorted(path for path in home.glob("**/processed") if any(path.glob("*.pt")))
        if processed and origin is None:
            raise UserError(
                f"{processed[0]}: the processed files {why}. Delete that folder; it will be made again."
            ) from error
        raise UserError(f"{origin or home / 'raw'}: the raw files {why}. Restore them.") from error


def _lock(root: Path, name: str) -> AbstractContextManager:
    from filelock import FileLock  # here, as listing data sets should stay fast

    root.mkdir(parents=True, exist_ok=True)
    return FileLock(root / name).acquire()


def _gather(
    build: Callable[[str], object], partial: Path, folder: str, files: list[str], url: str, paths: "PathsConfig"
) -> None:
    """Copy the raw files from the mirror, or let PyG download them, and let PyG process them, all below `partial`."""
    mirror = mirror_root(paths)
    found = _mirrored(mirror / folder, files) if mirror else []
    if found:
        (partial / folder / "raw").mkdir(parents=True)
        for file in found:
            shutil.copyfile(file, partial / folder / "raw" / file.name)  # not its mode: mirrors are read-only
    else:
        reason = _unreachable(url)
        if reason:
            raise UserError(_advice(folder, files, url, reason, paths))
    try:
        with _socket_timeout(READ_SECONDS):
            _built(build, partial / folder.split("/")[0], partial / folder, mirror / folder if found else url)
    except (OSError, TimeoutError) as error:
        raise UserError(_advice(folder, files, url, str(error), paths)) from error


def _put(made: Path, home: Path) -> None:
    """Move a set to its place, which may contain the files of another split already (Planetoid/Cora/geom-gcn)."""
    broken = _unused(home.with_name(f"{home.name}.incomplete"))
    home.mkdir(parents=True, exist_ok=True)
    # The set counts as complete once its raw files exist.
    for part in sorted((path.name for path in made.iterdir()), key=lambda name: name == "raw"):
        if (home / part).exists():  # not ours to delete: an interrupted download, or files of the user's
            broken.mkdir(exist_ok=True)
            (home / part).rename(broken / part)
        (made / part).rename(home / part)


def _advice(folder: str, files: list[str], url: str, reason: str, paths: "PathsConfig") -> str:
    top, _, name = folder.partition("/")
    mirror = mirror_root(paths)
    known: set[str] = set()
    if top == "TUDataset":  # its names are open; those of MoleculeNet were checked before
        known = {child.name for base in (data_root(paths), mirror) if base for child in (base / top).glob("*")}
    searched = f"{data_root(paths) / folder / 'raw'} (paths.data)"
    searched += f" or {mirror / folder / 'raw'} (mirror)" if mirror else ""
    return (
        f"{folder}: its raw files were not found and cannot be downloaded from {url} ({reason})."
        f"{suggest(name, known - {name})} Required: {', '.join(files)}, searched in {searched}. "
        f"Put them in {data_root(paths) / folder / 'raw'}, or set paths.mirror (or the environment variable "
        f"{MIRROR_VARIABLE}) to a folder that has them in {folder}/raw."
    )


def _mirrored(home: Path, files: list[str]) -> list[Path]:
    """All of raw/, and those of `files` next to it; empty if one of `files` is in neither place."""
    raw = {file.name: file for file in (home / "raw").glob("*") if file.is_file()}
    next_to_raw = {file: home / file for file in files if (home / file).is_file()}
    found = next_to_raw | raw
    return list(found.values()) if found.keys() >= set(files) else []


def _complete(raw: Path, files: list[str]) -> bool:
    return all((raw / file).is_file() for file in files)


def _unused(path: Path) -> Path:
    names = (path if i == 0 else path.with_name(f"{path.name}-{i}") for i in range(1000))
    return next(name for name in names if not name.exists())


def _unreachable(url: str) -> str:
    """Why `url` is unreachable, or empty; answers within seconds, as PyG's own downloaders may wait for minutes."""
    import urllib.error  # here, as listing data sets should stay fast
    import urllib.request

    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError as error:
        # Other statuses only say that the server does not answer HEAD requests.
        return f"the server answers {error.code}: no such file" if error.code in (403, 404, 410) else ""
    except OSError as error:
        return str(getattr(error, "reason", error))
    return ""


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Show PyG's progress only in terminals; its warnings about molecules are replaced by our notices."""
    with nullcontext() if sys.stderr.isatty() else redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Skipping molecule")
        yield
