"""`gnn-distill crossval`: one method on every fold of a data set, as one page and one ensemble."""

from omegaconf import DictConfig, OmegaConf

from gnn_distill.cli.table import make_and_show
from gnn_distill.config.schema.crossval import CrossvalCommand
from gnn_distill.experiments.crossvalidation import describe_scores, table_of_folds


def main(cfg: DictConfig) -> None:
    """Plan the runs, make the missing ones, and write the page and out_of_fold.csv to Hydra's output folder."""
    command: CrossvalCommand = OmegaConf.to_object(cfg)
    make_and_show(cfg, command, table_of_folds(command), describe_scores)
