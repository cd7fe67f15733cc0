"""`gnn-distill compare`: does distillation help? A table of one data set, without a file for it."""

from omegaconf import DictConfig, OmegaConf

from gnn_distill.cli.table import make_and_show
from gnn_distill.config.schema.compare import CompareCommand
from gnn_distill.experiments.comparing import compared_table
from gnn_distill.results.verdicts import verdicts_of


def main(cfg: DictConfig) -> None:
    """Plan the runs, make the missing ones, and write the table, with what it shows, to Hydra's output folder."""
    command: CompareCommand = OmegaConf.to_object(cfg)
    make_and_show(cfg, command, compared_table(command), lambda table, *_: verdicts_of(table))
