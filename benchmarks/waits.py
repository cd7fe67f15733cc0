"""Kernels of a training step, and how often a GPU would wait in it for a number, or be waited for."""

import torch
from torch import nn

from benchmarks.contenders import Case, make_case, make_own
from benchmarks.operations import Operations
from benchmarks.options import PLAIN, Options, Report
from benchmarks.own import OwnTraining
from gnn_distill.cli.main import CONF_DIR
from gnn_distill.training.loop import find_beside
from gnn_distill.training.optimizer import make_optimizer

DEFAULT, DATA = "default objective, graphormer", "dataset=zinc"
GRAPHS, NODES = 96, 20
STUDENTS = sorted({path.stem for path in (CONF_DIR / "student").glob("*.yaml")} - {"none"})


def measure(options: Options) -> list[Report]:
    """By counting on the CPU: what a batch needs of the host is found before, as it is for a GPU."""
    makers = {name: make_case(options, (DATA, f"student={name}", *PLAIN), GRAPHS, NODES) for name in STUDENTS}
    if not options.smoke:
        makers[DEFAULT] = make_case(options, (DATA, "signals.layers=all"), GRAPHS, NODES)
    return [Report("A training step", [row(name, options, case) for name, case in makers.items()])]


def row(name: str, options: Options, case: Case) -> dict:
    """One student or objective."""
    counted = operations_of(make_own(options, case))
    return {
        "step of": name,
        "kernels": counted.kernels,
        "waits": counted.waits,
        "where": "; ".join(f"{place} ({times})" for place, times in counted.places.items()),
    }


def operations_of(training: OwnTraining) -> Operations:
    """Those of one step, the second, in which the optimizer makes no state: as `fit` takes it."""
    model, objective, fabric = training.model.train(), training.objective, training.runtime.fabric
    optimizer = make_optimizer([model, objective], training.config.optim, fabric)
    layers = (taught,) if (taught := objective.requires.attention_layers) else ()
    for _ in range(2):
        _, batch, _ = next(training.loader.loader.train(1))
        rows = find_beside(model, objective, training.teacher_rows, batch)
        with Operations() as counted:
            total, _, _ = objective(model(batch, *layers), batch, rows, 0.5)
            total.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.found_inf = (~torch.isfinite(total.detach())).float()
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return counted
