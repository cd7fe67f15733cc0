"""`gnn-distill explain`: the atoms and bonds, nodes and edges, that carry the predictions of a finished run."""

import sys
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.schema.explain import ExplainCommand
from gnn_distill.cpu import default_threads
from gnn_distill.errors import refuse
from gnn_distill.formatting import counted
from gnn_distill.pipeline.explain import explain_run
from gnn_distill.pipeline.finished_run import read_finished_run
from gnn_distill.results.explain_page import PAGE, write_page
from gnn_distill.results.explanations import EDGES, GRAPHS, HOPS, NODES, write_tables
from gnn_distill.storage.files import check_writable, writing
from gnn_distill.training.console import Console

FOLDER = Path("outputs/explain")


def main(cfg: DictConfig) -> None:
    """Explain graphs, and write the page and its tables."""
    command: ExplainCommand = OmegaConf.to_object(cfg)
    run, console = read_finished_run(Path(command.run).expanduser(), command.own_modules), Console(sys.stdout)
    output = Path(command.output).expanduser() if command.output else FOLDER / run.folder.resolve().name
    check_output(output, command.overwrite)
    torch.set_num_threads(command.threads or default_threads())
    console.stage(f"Explaining {run.folder}")
    explanations = explain_run(run, command, console.notice)
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
    write_tables(output, explanations)
    page = write_page(output, explanations)
    for role in explanations.roles:
        errors = [one.models[role].error for one in explanations.graphs]
        missed = len(explanations.inaccurate(role))
        console.say(
            f"Completeness, {role}: largest error {max(errors):.2%} of f(x) − f(baseline); "
            f"{missed} of {counted(len(errors), 'node' if explanations.of_nodes else 'graph')} "
            f"above {command.tolerance:.2%}."
        )
    console.say(f"Page: {page}")


def check_output(output: Path, overwrite: bool) -> None:
    """Raise UserError unless the folder can take the files, and has none of them or may replace them.

    Explaining takes long, so this is found out before.
    """
    if output.exists() and not output.is_dir():
        raise refuse("output", output, "is a file. Name a folder.")
    check_writable(output)
    if not overwrite and any((output / name).exists() for name in (PAGE, NODES, EDGES, GRAPHS, HOPS)):
        raise refuse("output", output, "has an explanation already. Name another folder, or set overwrite=true.")
