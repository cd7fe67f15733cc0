"""Hydra's and OmegaConf's errors about a config, in this project's words."""

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

# A word of OmegaConf's message: what a person calls the type.
TYPES = {
    "to Integer": "must be a whole number",
    "to Float": "must be a number",
    "valid bool": "must be true or false",
    "to string": "must be one text; put quotes around it",
    "ListConfig": "must be a list, as in [a,b]",
    "not Optional": "may not be null",
    "to Dict": "must hold sections by name, as in {name: {key: value}}",
}
NO_SECTION = re.compile(r"\b(?!NoneType)\w+ is not a subclass of \w+Config")
"""OmegaConf's words for a value where a section of the schema belongs."""
SHOWN = 5


class UsageError(UserError):
    """Flags that do not go together."""

    exit_code = 2


def explain(error: BaseException) -> UserError | None:
    """What to tell the user about `error`; None if it is no fault of the user's, so that its traceback is wanted."""
    if isinstance(error, SystemExit):  # from before or within a single run
        error = error.__cause__
        if isinstance(error, UserError) or error is None:
            return error
    if isinstance(error, UserError):  # from a job of a sweep
        return UserError("\n".join([str(error), *_about_jobs(error)]))
    if isinstance(error, OSError) and error.filename is None and error.errno in (errno.ENOSPC, errno.EIO):
        return UserError(f"nothing more can be written ({error.strerror}). Make room, or send the output elsewhere.")
    if _from_task(error):
        return None
    given = _override(error)
    cause = error.__cause__ or error
    match error, cause:
        case OverrideParseException(), _:
            return UserError(
                f"cannot read '{error.override}'. Write key=value; put quotes around a value with special "
                "characters: 'key=\"a, b\"'."
            )
        case MissingConfigException(options=list() as options), _:
            return UserError(_unknown_choice(error.missing_cfg_file, options))
        case _, ConfigKeyError() | ConfigAttributeError() if given and _holds_sections(cause.parent_node):
            return UserError(_unnamed(given, cause.full_key.rpartition(".")[2]))
        case _, ValidationError() if given and NO_SECTION.search(str(cause)):
            if "." in cause.full_key:
                return UserError(f"{cause.full_key}: must be a section, as in {{key: value}}.")
            return UserError(_unnamed(given, cause.full_key))
        case _, ConfigKeyError() | ConfigAttributeError():
            return UserError(_unknown_key(given, cause))
        case _, ValidationError():
            return UserError(_wrong_type(cause))
        case HydraException(), _ if given and "Ambiguous value" in str(error):
            listed = given.replace("=", "=[", 1) + "]"
            return UserError(f"{given}: several values. Add -m to run one job for each, or write a list: '{listed}'.")
        case HydraException(), _ if given and given.startswith("~"):
            return UserError(f"{given}: nothing can be taken out of the config. Give the key another value.")
        case HydraException() | OmegaConfBaseException(), _:
            return UserError(_in_one_line(error, cause))
        case OSError(filename=None), _:
            return UserError(f"cannot work in this folder ({error.strerror}). Start from one that is there.")
        case OSError(), _:
            return UserError(f"cannot write {error.filename}: {error.strerror}. Choose another folder: hydra.run.dir=…")
        case ValueError(), _ if "--" in str(error):
            return UsageError(str(error))
        case ValueError(), _ if given:
            return UserError(f"{given}: a group takes the name of one of its choices, as --help lists them.")
    return None


def _from_task(error: BaseException) -> bool:
    """Hydra hands on a job's exception, from this process or another, when its return value is read."""
    reader = JobReturn.return_value.fget.__code__
    return any(frame.f_code is reader for frame, _ in traceback.walk_tb(error.__traceback__))


def _about_jobs(error: BaseException) -> Iterator[str]:
    """Which jobs of a sweep failed, and that the others are finished: Hydra looks at them once a batch has ended."""
    batch = next(iter(_batches(error)), [])
    failed = [job for job in batch if job.status == JobStatus.FAILED]
    if not failed:
        return
    rest = len(batch) - len(failed)
    yield f"{len(failed)} of {len(batch)} jobs failed and {rest} are finished; no further ones are started."
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
    told = f"{group}={name}: there is no such choice. Choices: {', '.join(options)}.{suggest(name, options)}"
    plugins = " More come with plug-ins: pip install 'gnn-distill[launchers]'" if group == "hydra/launcher" else ""
    return told + plugins


def _unknown_key(given: str | None, cause: OmegaConfBaseException) -> str:
    section = cause.parent_node
    if not isinstance(section, DictConfig):
        return f"{given or cause.full_key}: there is no such key."
    key = given.partition("=")[0].lstrip("+~") if given else cause.full_key
    near = " or ".join(f"'{name}'" for name in nearest(key, leaves(section._get_root())))
    hint = f" Did you mean {near}?" if near else ""
    name = cause.full_key.rpartition(".")[0]
    keys = ", ".join(str(child) for child in section if child != "hydra")
    return f"{given or key}: there is no such key.{hint} {f'Keys of {name}' if name else 'Keys'}: {keys}."


def _holds_sections(node: object) -> bool:
    """Whether users name the sections below `node`, as in loss.own."""
    return isinstance(node, DictConfig) and is_dataclass(node._metadata.element_type)


def _unnamed(given: str, name: str) -> str:
    """The message about a section `name` that is not there yet: OmegaConf adds it only from the level above."""
    key, _, value = given.lstrip("+").partition("=")
    section, named, rest = key.partition(f".{name}")
    for part in reversed([name, *rest.split(".")[1:]] if named else []):
        value = f"{{{part}: {value}}}"
    return f"{given}: {section} has no {name} yet. Add it: '+{section}={value}'."


def leaves(node: DictConfig, prefix: str = "") -> Iterator[str]:
    """Dotted names of all keys below `node`, sections before their keys, Hydra's own left out."""
    for name, child in node.items_ex(resolve=False):
        if prefix or name != "hydra":
            yield f"{prefix}{name}"
            if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
                yield from leaves(child, f"{prefix}{name}.")


def nearest(key: str, keys: Iterable[str]) -> list[str]:
    """The keys a person may have meant by `key`: the same last word elsewhere, its initials, or a near spelling."""
    keys = list(keys)
    section, _, word = key.rpartition(".")
    initials = "".join(part[:1] for part in word.split("_"))
    here = [name for name in keys if name.rpartition(".")[0] == section]
    return (
        get_close_matches(key, here, n=1, cutoff=0.8)
        or [name for name in here if "_" in word and name.rpartition(".")[2] == initials]
        or [name for name in keys if name.rpartition(".")[2] == word][:3]
        or get_close_matches(key, keys, n=1, cutoff=0.75)
        or [name for name in here if word in name.rpartition(".")[2].split("_")][:3]
    )


def _wrong_type(cause: ValidationError) -> str:
    given = "null" if cause.value is None else cause.value
    said = str(cause).splitlines()[0]
    what = next((what for name, what in TYPES.items() if name in said), said)
    return f"{cause.full_key}={given}: {'may not be null' if cause.value is None else what}."


def _in_one_line(error: BaseException, cause: BaseException) -> str:
    texts = [str(error)] if cause is error else [str(error), str(cause).split("\n")[0]]
    return " ".join(line.strip() for text in texts for line in text.splitlines() if line.strip())
