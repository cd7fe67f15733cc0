"""Curves of the part `scaling`."""

from pathlib import Path

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator

from benchmarks.options import Report

matplotlib.use("Agg")


def draw_scaling(reports: list[Report], path: Path) -> None:
    """One panel per table, with two logarithmic axes: the first column is the x axis, every other one a curve."""
    figure, panels = plt.subplots(1, len(reports), figsize=(4.2 * len(reports), 3.4), constrained_layout=True)
    for panel, report in zip(panels, reports, strict=True):
        axis, *curves = report.rows[0]
        values = [row[axis] for row in report.rows]
        for curve in curves:
            panel.plot(values, [row[curve] for row in report.rows], "o-", label=curve)
        panel.set(title=report.title, xlabel=axis, xscale="log", yscale="log")
        # Ticks at the measured values, in place of powers of ten.
        panel.set_xticks(values, labels=[f"{value:,}" for value in values])
        panel.minorticks_off()
        low, high = panel.get_ylim()
        panel.set_ylim(low / 1.5, high * 1.5)  # room for more than one number
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:,g}")
        panel.title.set_fontsize(10)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)
