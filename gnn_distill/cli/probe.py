"""`gnn-distill probe`: what the models of finished runs know of structure."""

import sys
from datetime import datetime
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console as RichConsole

from gnn_distill.config.schema.probe import ProbeCommand
from gnn_distill.pipeline.finished_run import read_finished_run
from gnn_distill.pipeline.probe import probe_run
from gnn_distill.pipeline.profile import profile_run
from gnn_distill.results.probe_files import write_probes
from gnn_distill.results.probe_page import verdicts
from gnn_distill.results.probe_tables import in_short
from gnn_distill.results.probes import find_runs
from gnn_distill.results.rendering import markdown_grid, rich_grid
from gnn_distill.storage.run_directory import PROBE, PROFILE
from gnn_distill.training.console import Console


def main(cfg: DictConfig) -> None:
    """Probe every run that was not probed with these settings, then write the results of all into one folder."""
    command: ProbeCommand = OmegaConf.to_object(cfg)
    probe, console = command.probe, Console(sys.stdout)
    places, given = find_runs(probe.runs), HydraConfig.get().overrides.task
    words = [*probe.runs, *(word for word in given if not word.startswith("probe.runs="))]  # as they were typed
    for number, (folder, *_) in enumerate(places, start=1):
        run = read_finished_run(folder, probe.own_modules, "probe.own_modules")
        made = probe_run(run, probe, command.paths, console, probe.own_modules)
        console.say(f"{number}/{len(places)} {folder / PROBE}: {'written' if made else 'found'}")
        if probe.profiles:
            made = profile_run(run, probe, command.paths, console, probe.own_modules)
            console.say(f"{number}/{len(places)} {folder / PROFILE}: {'written' if made else 'found'}")
    name = probe.name or f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    output = Path(probe.output) / name
    terminal = RichConsole()
    for dataset, methods in write_probes(output, places, words, command.report.figures).items():
        grid = in_short(dataset, methods)
        terminal.print(rich_grid(grid)) if terminal.is_terminal else print(f"{grid.title}\n{markdown_grid(grid)}")
        for method, verdict in verdicts(methods):
            console.say(f"{dataset}, {method}: {verdict}")
    console.say(f"Report: {output / 'report.html'}")
