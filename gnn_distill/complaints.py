"""Hydra's and OmegaConf's errors about a config, in this project's words."""

import re
import traceback
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from hydra.core.utils import JobReturn
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException, ValidationError

from gnn_distill.errors import UserError, suggest

TYPES = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}


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
        return UserError(f"{error}\nThe sweep stops here: the jobs after this one were not run.")
    if _from_task(error):
        return None
    cause = error.__cause__ or error
    match error, cause:
        case OverrideParseException(), _:
            return UserError(
                f"cannot read '{error.override}'. Write key=value; put quotes around a value with special "
                "characters: 'key=\"a, b\"'."
            )
        case MissingConfigException(options=list() as options), _:
            return UserError(_unknown_choice(error.missing_cfg_file, options))
        case _, ConfigKeyError() | ConfigAttributeError():
            return UserError(_unknown_key(error, cause))
        case _, ValidationError():
            return UserError(_wrong_type(cause))
        case HydraException() | OmegaConfBaseException(), _:
            return UserError(_in_one_line(error, cause))
        case OSError(), _:
            return UserError(f"cannot write {error.filename}: {error.strerror}. Choose another folder: hydra.run.dir=…")
        case ValueError(), _ if "--" in str(error):
            return UsageError(str(error))
        case ValueError(), _:
            return UserError(str(error))
    return None


def _from_task(error: BaseException) -> bool:
    """Hydra hands on a job's exception, from this process or another, when its return value is read."""
    reader = JobReturn.return_value.fget.__code__
    return any(frame.f_code is reader for frame, _ in traceback.walk_tb(error.__traceback__))


def _unknown_choice(path: str, options: list[str]) -> str:
    group, _, name = path.rpartition("/")
    return f"{group}={name}: there is no such choice. Choices: {', '.join(options)}.{suggest(name, options)}"


def _unknown_key(error: Exception, cause: OmegaConfBaseException) -> str:
    named = re.search(r"Could not override '(.+?)'", str(error))
    key = named[1] if named else cause.full_key
    root = cause.parent_node._get_root() if cause.parent_node is not None else DictConfig({})
    section = cause.full_key.rpartition(".")[0]
    siblings = [str(name) for name in cause.parent_node if name != "hydra"] if cause.parent_node is not None else []
    where = f"Keys of {section}" if section else "Keys"
    near = nearest(key, leaves(root))
    hint = f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
    return f"{key}: there is no such key.{hint} {where}: {', '.join(siblings)}."


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
    wanted = re.search(r"could not be converted to (\w+)", str(cause))
    if wanted:
        what = f"must be {TYPES.get(wanted[1], wanted[1])}"
    elif cause.value is None:
        what = "may not be null"
    else:
        what = str(cause).splitlines()[0]
    return f"{cause.full_key}={given}: {what}."


def _in_one_line(error: BaseException, cause: BaseException) -> str:
    texts = [str(error)] if cause is error else [str(error), str(cause).split("\n")[0]]
    return " ".join(line.strip() for text in texts for line in text.splitlines() if line.strip())
