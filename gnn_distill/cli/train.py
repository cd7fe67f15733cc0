"""`gnn-distill train`: pretrain the teacher, distil it into the student, evaluate both."""

import os
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from gnn_distill import ranks
from gnn_distill.cli.agent import train_with_ranks
from gnn_distill.cli.launchers import processes_to_start
from gnn_distill.interruption import working_for


def main(cfg: DictConfig, resume: bool = False) -> float:
    """Make one run in Hydra's output folder; returns its validation metric, which a sweeper optimises."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    if (count := processes_to_start(cfg.trainer)) > 1:
        return train_with_ranks(count, folder, cfg.trainer.threads, resume)
    from gnn_distill.pipeline.run import train_in  # slow to import, for nothing where other processes train

    if ranks.size() == 1:
        return train_in(folder, cfg, resume)
    with working_for(os.getppid()):  # it does not outlive the agent that started it
        return train_in(folder, cfg, resume)
