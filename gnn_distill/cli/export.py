"""`gnn-distill export`: the student of a finished run, as a program or a model repository."""

import sys
from itertools import islice
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.schema.export import ExportCommand
from gnn_distill.errors import refuse
from gnn_distill.pipeline.export.hub import check_push, push_repository, write_repository
from gnn_distill.pipeline.export.write import check_output, write_program
from gnn_distill.pipeline.predict_file import open_source
from gnn_distill.pipeline.student_ensemble import Ensemble
from gnn_distill.predict import load
from gnn_distill.training.console import Console

MOST_CHECKED = 1000
"""Inputs of `check` on which a program is compared."""


def main(cfg: DictConfig) -> None:
    """Write the export, and print how well it agrees with the student."""
    command: ExportCommand = OmegaConf.to_object(cfg)
    console = Console(sys.stdout)
    folder = Path(command.run).expanduser()
    student = load(folder, command.own_modules)
    output = Path(command.output).expanduser() if command.output else folder / "export" / command.format
    check_output(output, command.overwrite)
    console.stage(f"Exporting the student of {student.spec.name}", command.format)
    given = inputs_of(command, console) if command.check else []
    if command.push is not None:
        if command.format != "hub":
            raise refuse("push", command.push, "only a model repository is uploaded. Set format=hub.")
        check_push(command.push)
    if command.format == "hub":
        write_repository(folder, student, output)
        console.say(f"Folder: {output}")
        if command.push is not None:
            console.say(f"Uploaded: {push_repository(output, command.push, command.private)}")
        return
    for name, difference in write_program(student, command.format, output, given):
        console.say(f"{name}: differs from the student by {difference:.1e} at most")
    console.say(f"Folder: {output}")


def inputs_of(command: ExportCommand, console: Console) -> list[object]:
    """The first inputs of `check` that the student can predict. Raises UserError if there are none."""
    ensemble = Ensemble([command.run], "cpu", command.own_modules)
    source = open_source(Path(command.check).expanduser(), ensemble, None, console.notice)
    entries = [line.entry for line in islice(source.lines, MOST_CHECKED)]
    refused = ensemble.answer(entries).errors if entries else {}
    if len(refused) == len(entries):
        raise refuse("check", command.check, "the student can predict none of its inputs.")
    return [entry for position, entry in enumerate(entries) if position not in refused]
