"""How graphs are cut into the patches that a student reads."""

from dataclasses import dataclass, fields

from gnn_distill.config.capabilities import capabilities_of
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.task import TaskSpec


@dataclass(frozen=True)
class Patching:
    """How graphs are cut into patches, as `student.patches` and the keys that go with it say."""

    source: str
    """louvain, brics or bisection."""
    number: int
    """bisection: parts of each graph; others: 0."""
    hops: int
    """Hops by which every part grows."""
    walk: int
    """Steps of the random walk between parts."""
    spec: TaskSpec
    """brics reads from it how atoms and bonds are coded."""

    @property
    def settings(self) -> dict[str, str | int]:
        """What determines the patches besides the data."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "spec"}


def patching_of(config: StudentConfig, spec: TaskSpec) -> Patching | None:
    """How a student's graphs are cut; None for one that reads no patches."""
    if not capabilities_of(config.name).reads_patches:
        return None
    number = config.num_patches if config.patches == "bisection" else 0
    return Patching(config.patches, number, config.patch_hops, config.patch_walk, spec)
