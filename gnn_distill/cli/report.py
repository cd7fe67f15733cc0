"""`gnn-distill report`: a run, a table or a sweep as one HTML page."""

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.schema.report import ReportCommand
from gnn_distill.results.report import write_report


def main(cfg: DictConfig) -> None:
    """Write the page, and print its path."""
    command: ReportCommand = OmegaConf.to_object(cfg)
    print(f"Report: {write_report(command.report.path, command.report)}")
