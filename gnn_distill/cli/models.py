"""`gnn-distill models`: the teachers, students and encodings to choose from."""

import re
from pathlib import Path

from omegaconf import DictConfig

from gnn_distill.config.catalogue import about, choice_file, choices, group_folders
from gnn_distill.config.listing import show

COLUMNS = ("choose", "level", "reads", "what")
GROUPS = ("teacher", "student", "encoding")


def main(cfg: DictConfig) -> None:
    """Print one line for each file of conf/teacher, conf/student and conf/encoding, and of your own --config-dir."""
    folders = {group: group_folders(group) for group in GROUPS}
    show(COLUMNS, [describe(group, name, folders[group]) for group in GROUPS for name in choices(folders[group])])


def describe(group: str, choice: str, folders: list[Path]) -> tuple[str, ...]:
    """The line of a file, from its first two comment lines: a description, then `# Level: ... Reads: ...`."""
    lines = choice_file(choice, folders).read_text().splitlines()
    comments = [line.removeprefix("#").strip() for line in lines if line.startswith("#") and "@package" not in line]
    facts = dict(re.findall(r"(\w+): ([^.]+)\.", comments[1])) if len(comments) > 1 else {}
    return (
        f"{group}={choice}",
        facts.get("Level", ""),
        facts.get("Reads", ""),
        about(choice, folders).rstrip("."),
    )
