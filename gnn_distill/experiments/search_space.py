"""What `gnn-distill tune` searches: files of conf/tune, read for one method on one data set."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.catalogue import choices, group_folders
from gnn_distill.config.schema.data import NodeDatasetConfig
from gnn_distill.errors import UserError, refuse, suggest

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FORMS = "choice(a, b), interval(low, high), tag(log, interval(low, high)) or {around: factor}"


@dataclass(frozen=True)
class Knob:
    """A key or group of `train` that is searched: its values, in Hydra's sweep syntax, and the method's own value."""

    key: str
    values: str
    own: Any

    def distribution(self) -> "BaseDistribution":
        """The distribution that Optuna samples."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        match _parse(self.key, f"{self.key}={self.values}").value():
            case ChoiceSweep(list=listed):
                return CategoricalDistribution(listed)
            case IntervalSweep(start=int(low), end=int(high), tags=tags):
                return IntDistribution(low, high, log="log" in tags)
            case IntervalSweep(start=low, end=high, tags=tags):
                return FloatDistribution(low, high, log="log" in tags)


def search_space(name: str, cfg: DictConfig, fixed: Collection[str]) -> list[Knob]:
    """The knobs of a method: shared ones first, so that the methods of a column get the same random draws for them.

    cfg: the method's config with Hydra's section. fixed: keys that the method or the data set sets itself.

    Raises:
        UserError: naming the file of conf/tune, its key, and what is wrong.
    """
    level = "node" if issubclass(OmegaConf.get_type(cfg.dataset), NodeDatasetConfig) else "graph"
    name = level if name == "auto" else name
    if name not in (known := choices(group_folders("tune"))):
        known_names = f"Choices: auto, {', '.join(known)}.{suggest(name, known)}"
        raise refuse("tune.space", name, f"unknown choice. {known_names}")
    loader = GlobalHydra.instance().config_loader()
    space = loader.load_configuration(f"tune/{name}", [], RunMode.RUN).tune
    return knobs_in(space, f"conf/tune/{name}.yaml", cfg, fixed)


def knobs_in(space: DictConfig, file: str, cfg: DictConfig, fixed: Collection[str]) -> list[Knob]:
    """The knobs of a loaded search space."""
    parts = ("shared",) if cfg.teacher.name == "none" else ("shared", "distilled")
    entries = [item for part in parts for item in (space.get(part) or {}).items() if item[0] not in fixed]
    return [knob for key, entry in entries for knob in _knobs(f"{file}: {key}", key, entry, cfg)]


def _knobs(place: str, key: str, entry: str | DictConfig, cfg: DictConfig) -> Iterator[Knob]:
    """The knob of an entry; none if it does not apply to the method."""
    form = {"values": entry} if isinstance(entry, str) else dict(entry)
    if not {"values"} <= form.keys() <= {"values", "where"} and not {"around"} <= form.keys() <= {"around", "where"}:
        raise UserError(f"{place}: give it values or around, and optionally where. Values are {FORMS}.")
    own = _own(place, key, cfg)
    if "where" in form and not _own(place, form["where"], cfg):
        return
    if "around" not in form:
        yield Knob(key, *_with_own(place, key, str(form["values"]), own))
    elif own:
        yield Knob(key, f"tag(log, interval({own / form['around']!r}, {own * form['around']!r}))", own)


def _own(place: str, key: str, cfg: DictConfig) -> Any:
    """The method's own choice of a group, or value of a key."""
    if key in cfg.hydra.runtime.choices:
        return cfg.hydra.runtime.choices[key]
    section, _, word = key.rpartition(".")
    node = OmegaConf.select(cfg, section) if section else cfg
    if not isinstance(node, DictConfig) or word not in node:
        raise UserError(f"{place}: 'train' has no such key or group.")
    return node[word]


def _with_own(place: str, key: str, values: str, own: Any) -> tuple[str, Any]:
    """The values, including the method's own; if an interval excludes it, its nearest end stands for it."""
    match _parse(place, f"{key}={values}").value():
        case ChoiceSweep(list=listed) if all(isinstance(value, bool | int | float | str) for value in listed):
            # True == 1: a switch is compared as it is written
            same = [value for value in listed if value == own and isinstance(value, bool) == isinstance(own, bool)]
            return (values, same[0]) if same else (f"{values.rstrip().removesuffix(')')}, {own})", own)
        case IntervalSweep(start=low, end=high):
            return values, min(max(own, low), high)
    raise UserError(f"{place}: cannot search '{values}'. Write {FORMS}.")


def _parse(place: str, text: str) -> Override:
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise UserError(f"{place}: cannot read '{text.partition('=')[2]}'. Write {FORMS}.") from error


def keys_of(overrides: Collection[str]) -> set[str]:
    """Keys and groups that overrides set."""
    return {override.key_or_group for override in OverridesParser.create().parse_overrides(list(overrides))}
