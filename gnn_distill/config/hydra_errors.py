"""Hydra's and OmegaConf's errors about a config, put into one message each that says what to do."""

import errno
import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import is_dataclass
from difflib import get_close_matches

from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException, ValidationError

from gnn_distill.errors import UserError, suggest
from gnn_distill.formatting import counted

# A part of OmegaConf's message: what the value must be.
TYPES = {
    "to Integer": "must be a whole number",
    "to Float": "must be a number",
    "valid bool": "must be true or false",
    "to string": "must be a string; quote it",
    "ListConfig": "must be a list, as in [a,b]",
    "not Optional": "may not be null",
    "to Dict": "must hold sections by name, as in {name: {key: value}}",
}
NO_SECTION = re.compile(r"\b(?!NoneType)\w+ is not a subclass of \w+Config")
"""OmegaConf's words for a value where a section of the schema belongs."""
FOREIGN_SET = re.compile(r"In 'dataset/(\w+)': Could not override")
"""Hydra's words for a data set that chooses presets of `train`, in a command without them."""
CHOOSERS = {"table.sizes": "table.size"}
"""Sections that users name, one of which a key chooses by its name."""
LAUNCHERS = {"submitit_local": "submitit", "submitit_slurm": "submitit", "ray": "ray"}
"""Launchers that are no part of Hydra, each with the extra of this package that brings it."""
SHOWN = 5
"""Failed jobs of a sweep that a message lists."""


class UsageError(UserError):
    """Flags that do not go together."""

    exit_code = 2


def explain(error: BaseException) -> UserError | None:
    """The message for an error that the user caused; None for any other, whose traceback is needed."""
    if isinstance(error, SystemExit):  # from before or within a single run
        error = error.__cause__
        if isinstance(error, UserError) or error is None:
            return error
    if isinstance(error, UserError):  # from a job of a sweep
        return UserError("\n".join([str(error), *_about_jobs(error)]))
    if isinstance(error, OSError) and error.filename is None and error.errno in (errno.ENOSPC, errno.EIO):
        return UserError(
            f"cannot write any further output ({error.strerror}). Free some space, or send the output elsewhere."
        )
    if _from_task(error):
        return None
    override = _override(error)
    cause = error.__cause__ or error
    match error, cause:
        case OverrideParseException(), _:
            return UserError(
                f"cannot read '{error.override}'. Write key=value; put quotes around a value with special "
                "characters: 'key=\"a, b\"'."
            )
        case MissingConfigException(options=list() as options), _:
            return UserError(_unknown_choice(error.missing_cfg_file, options))
        case _, ConfigKeyError() | ConfigAttributeError() if override and _holds_sections(cause.parent_node):
            return UserError(_missing_section(override, cause.full_key.rpartition(".")[2], cause.parent_node))
        case _, ValidationError() if override and NO_SECTION.search(str(cause)):
            if "." in cause.full_key:
                return UserError(f"{cause.full_key}: must be a section, as in {{key: value}}.")
            return UserError(_missing_section(override, cause.full_key, cause.parent_node))
        case _, ConfigKeyError() | ConfigAttributeError():
            return UserError(_unknown_key(override, cause))
        case _, ValidationError():
            return UserError(_wrong_type(cause))
        case HydraException(), _ if found := FOREIGN_SET.search(str(error)):
            return UserError(f"dataset={found[1]}: for gnn-distill train. Choose dataset=sr25, graph8c or brec.")
        case HydraException(), _ if override and "Ambiguous value" in str(error):
            listed = override.replace("=", "=[", 1) + "]"
            return UserError(
                f"{override}: several values. Add -m to run one job for each, or write a list: '{listed}'."
            )
        case HydraException(), _ if override and override.startswith("~"):
            return UserError(f"{override}: keys cannot be removed from the config. Give the key another value.")
        case HydraException() | OmegaConfBaseException(), _:
            return UserError(_in_one_line(error, cause))
        case OSError(filename=None), _:
            return UserError(f"cannot work in this folder ({error.strerror}). Start from a folder that exists.")
        case OSError(), _:
            return UserError(f"cannot write {error.filename}: {error.strerror}. Choose another folder: hydra.run.dir=…")
        case ValueError(), _ if "--" in str(error):
            return UsageError(str(error))
        case ValueError(), _ if override:
            return UserError(f"{override}: must be the name of one of the group's choices, which --help lists.")
    return None


def _from_task(error: BaseException) -> bool:
    """Hydra hands on a job's exception, from this process or another, when its return value is read."""
    reader = JobReturn.return_value.fget.__code__
    return any(frame.f_code is reader for frame, _ in traceback.walk_tb(error.__traceback__))


def _about_jobs(error: BaseException) -> Iterator[str]:
    """Which jobs of a sweep failed; the others are finished, since Hydra checks them once a batch has ended."""
    batch = next(iter(_batches(error)), [])
    failed = [job for job in batch if job.status == JobStatus.FAILED]
    if not failed:
        return
    rest = len(batch) - len(failed)
    yield f"{len(failed)} of {counted(len(batch), 'job')} failed and {rest} finished; no further jobs are started."
    if len(failed) > 1:
        for job in failed[:SHOWN]:
            yield f"  {' '.join(job.overrides)}: {str(job._return_value).partition(chr(10))[0]}"
        if len(failed) > SHOWN:
            yield f"  and {len(failed) - SHOWN} more"


def _batches(error: BaseException) -> Iterator[Sequence[JobReturn]]:
    """Hydra's sweepers hold what the jobs of a batch have returned in a variable."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            if isinstance(value, Sequence) and value and all(isinstance(item, JobReturn) for item in value):
                yield value


def _override(error: BaseException) -> str | None:
    """The override at fault, as it was typed: Hydra's functions hold it in a variable, few of its messages name it."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for name in ("override", "x"):
            if isinstance(override := frame.f_locals.get(name), Override):
                return override.input_line
    return None


def _unknown_choice(path: str, options: list[str]) -> str:
    group, _, name = path.rpartition("/")
    if group == "hydra/launcher" and name in LAUNCHERS:
        extra = LAUNCHERS[name]
        pins = "constraints-ray.txt" if extra == "ray" else "constraints.txt"
        return (
            f"{group}={name}: this launcher is not installed. pip install 'gnn-distill[{extra}]', or in a checkout: "
            f"pip install -c {pins} -e '.[{extra}]'"
        )
    message = f"{group}={name}: unknown choice. Choices: {', '.join(options)}.{suggest(name, options)}"
    more = f" Others can be installed: {', '.join(LAUNCHERS)}." if group == "hydra/launcher" else ""
    return message + more


def _unknown_key(override: str | None, cause: OmegaConfBaseException) -> str:
    section = cause.parent_node
    if not isinstance(section, DictConfig):
        return f"{override or cause.full_key}: unknown key."
    key = override.partition("=")[0].lstrip("+~") if override else cause.full_key
    near = " or ".join(f"'{name}'" for name in nearest(key, leaves(section._get_root())))
    hint = f" Did you mean {near}?" if near else ""
    name = cause.full_key.rpartition(".")[0]
    keys = ", ".join(str(child) for child in section if child != "hydra")
    return f"{override or key}: unknown key.{hint} {f'Keys of {name}' if name else 'Keys'}: {keys}."


def _holds_sections(node: object) -> bool:
    """Whether users name the sections below `node`, as in loss.own."""
    return isinstance(node, DictConfig) and is_dataclass(node._metadata.element_type)


def _missing_section(override: str, name: str, parent: object) -> str:
    """The message about a section `name` that `parent` does not hold: OmegaConf adds it only from the level above."""
    key, _, value = override.lstrip("+").partition("=")
    section, named, rest = key.partition(f".{name}")
    for part in reversed([name, *rest.split(".")[1:]] if named else []):
        value = f"{{{part}: {value}}}"
    known = [str(other) for other in parent] if _holds_sections(parent) else []
    return f"{override}: {section} has no {name} yet.{_chooser(section, known, name)} Add it: '+{section}={value}'."


def _chooser(section: str, known: list[str], name: str) -> str:
    """What a section holds, and how one of that is chosen."""
    listed = f" It has: {', '.join(known)}.{suggest(name, known)}" if known else ""
    return listed + (f" To choose one: {CHOOSERS[section]}=NAME." if section in CHOOSERS else "")


def leaves(node: DictConfig, prefix: str = "") -> Iterator[str]:
    """Dotted names of all keys below `node`, each section before its keys, without Hydra's own."""
    for name, child in node.items_ex(resolve=False):
        if prefix or name != "hydra":
            yield f"{prefix}{name}"
            if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
                yield from leaves(child, f"{prefix}{name}.")


def nearest(key: str, keys: Iterable[str]) -> list[str]:
    """The keys that `key` may stand for: a near spelling, its initials, or the same last word in another section."""
    keys = list(keys)
    section, _, word = key.rpartition(".")
    initials = "".join(part[:1] for part in word.split("_"))
    here = [name for name in keys if name.rpartition(".")[0] == section]
    around = here if section else keys
    return (
        get_close_matches(key, here, n=1, cutoff=0.8)
        or [name for name in around if "_" in word and name.rpartition(".")[2] == initials][:3]
        or [name for name in here if section and word in name.rpartition(".")[2].split("_")][:3]
        or [name for name in keys if name.rpartition(".")[2] == word][:3]
        or get_close_matches(key, keys, n=1, cutoff=0.75)
        or [name for name in around if get_close_matches(word, [name.rpartition(".")[2]], n=1, cutoff=0.85)][:3]
        or [name for name in around if word in name.rpartition(".")[2].split("_")][:3]
    )


def _wrong_type(cause: ValidationError) -> str:
    value = "null" if cause.value is None else cause.value
    said = str(cause).splitlines()[0]
    what = next((what for name, what in TYPES.items() if name in said), said)
    section = cause.parent_node.get(cause.key) if isinstance(cause.parent_node, DictConfig) else None
    known = [str(name) for name in section] if _holds_sections(section) else []
    hint = _chooser(cause.full_key, known, str(value))
    return f"{cause.full_key}={value}: {'may not be null' if cause.value is None else what}.{hint}"


def _in_one_line(error: BaseException, cause: BaseException) -> str:
    texts = [str(error)] if cause is error else [str(error), str(cause).split("\n")[0]]
    return " ".join(line.strip() for text in texts for line in text.splitlines() if line.strip())
