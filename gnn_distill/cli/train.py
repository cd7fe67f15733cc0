"""`gnn-distill train`: pretrain the teacher, distil it into the student, evaluate both."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from gnn_distill.pipeline.run import train_in


def main(cfg: DictConfig, resume: bool = False) -> float:
    """Make one run in Hydra's output folder; returns its validation metric, which a sweeper optimises."""
    return train_in(Path(HydraConfig.get().runtime.output_dir), cfg, resume)
