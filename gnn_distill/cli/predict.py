"""`gnn-distill predict`: a file of molecules or graphs, predicted by the students of finished runs."""

import sys
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.schema.predict import PredictCommand
from gnn_distill.cpu import default_threads
from gnn_distill.errors import refuse
from gnn_distill.formatting import counted
from gnn_distill.pipeline.finished_run import load_data, read_finished_run
from gnn_distill.pipeline.predict_file import Counts, check_output, open_source, predict_file, training_molecules
from gnn_distill.pipeline.student_ensemble import Ensemble
from gnn_distill.training.console import Console


def main(cfg: DictConfig) -> None:
    """Write the predictions of the input to the output."""
    command: PredictCommand = OmegaConf.to_object(cfg)
    output, path, console = Path(command.output).expanduser(), Path(command.input).expanduser(), Console(sys.stdout)
    check_output(output, path, command.overwrite)
    replaced = output.exists()
    torch.set_num_threads(command.threads or default_threads())
    ensemble = Ensemble(command.runs, command.accelerator, command.own_modules, command.max_pairs)
    runs = len(ensemble.members)
    title = f"ensemble of {runs} runs" if runs > 1 else "1 run"
    console.stage(f"Predicting {ensemble.spec.name}", f"{title}, on {ensemble.device}")
    source = open_source(path, ensemble, command.smiles_column, console.notice)
    if command.coverage is not None:
        ensemble.calibrate(command.coverage)
        console.notice(ensemble.describe_calibration(command.coverage))
    nearest = None
    if command.nearest:
        if not source.smiles:
            raise refuse("nearest", "true", f"{path.name} holds graphs, and molecules are compared. Leave it out.")
        nearest = training_molecules(tasks_of(ensemble, command))
    with console.work("predictions") as work:
        counts = predict_file(ensemble, source, output, command.chunk_size, nearest, work.update)
    console.say(told(counts))
    console.say(f"File: {output}{' (replaced)' if replaced else ''}")


def tasks_of(ensemble: Ensemble, command: PredictCommand) -> list:
    """The data of the runs, read again, each data set and split once."""
    found = {}
    for folder in ensemble.folders:
        run = read_finished_run(folder, command.own_modules)
        if run.summary["data"] not in found:
            found[run.summary["data"]] = load_data(run, command.paths)
    return list(found.values())


def told(counts: Counts) -> str:
    """`1,000 inputs, of which 3 cannot be predicted (column error) and 2 …`."""
    parts = [
        *([f"{counts.errors:,} cannot be predicted (column error)"] if counts.errors else []),
        *([f"{counts.warnings:,} hold what no training graph held (column warning)"] if counts.warnings else []),
    ]
    return counted(counts.inputs, "input") + (f": {', '.join(parts)}" if parts else "")
