"""Fabricated runs, and their pages, checked for what every page must be."""

from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import yaml

from gnn_distill.config.schema.report import ReportConfig
from gnn_distill.results.report import render
from gnn_distill.storage.run_directory import RunDirectory

EVIL = "<script>alert(1)</script>\"'&$x$"
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """Elements, addresses, identifiers and texts of a page; fails where an element is not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.addresses, self.ids, self.texts, self.open = Counter(), [], [], [], []
        self.html = html
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self.open += [tag] if tag not in VOID else []
        for name, value in attributes:
            assert not name.startswith("on"), name
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts += [data.strip()] if data.strip() and self.open[-1] != "style" else []

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def page_of(folder: Path, **config: str) -> Page:
    """The page of a folder, once it is sure that it is safe."""
    page = Page(render(folder, ReportConfig(path=str(folder), output=str(folder / "page.html"), **config)))
    assert "script" not in page.tags
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert page.html.count("url(") == page.html.count("url(#")
    assert "@import" not in page.html
    assert len(page.ids) == len(set(page.ids))
    assert 'content="width=device-width' in page.html
    assert "prefers-color-scheme: dark" in page.html
    return page


def make_run(
    folder: Path,
    *overrides: str,
    test: float | None = 0.75,
    metric: str = "accuracy",
    epochs: int = 0,
    **changes: object,
) -> Path:
    """A finished run as train leaves it; with the curves of so many `epochs`."""
    (folder / ".hydra").mkdir(parents=True)
    config = {
        "dataset": {"name": "TOY", "fold": 0},
        "teacher": {"name": "gin"},
        "student": {"name": "graphormer"},
        "loss": {"weights": {"micro": 0.1}},
        "seed": 0,
    }
    (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    run = RunDirectory(folder)
    for stage in ("teacher", "student"):
        for epoch in range(1, epochs + 1):
            terms = {"train/task": 0.5 / epoch, "train/task.weighted": 0.5 / epoch}
            terms |= {"train/soft": 2.0 / epoch, "train/soft.weighted": 0.2 / epoch} if stage == "student" else {}
            row = {"stage": stage, "epoch": epoch, "train/loss": 1 / epoch, "val/loss": 0.5, f"val/{metric}": 0.5}
            run.append_metrics(row | terms)
    splits = {"train": 0.9, "val": 0.8125} | ({"test": test} if test is not None else {})
    summary = {
        "teacher": {split: {"macro_f1": 0.25, metric: value - 0.125} for split, value in splits.items()},
        "student": {split: {"macro_f1": 0.3, metric: value} for split, value in splits.items()},
        "name": "graphormer<-gin toy s0",
        "metric": metric,
        "config_hash": "57afeca22e0c3a61",
        "seed": 0,
        "split": {"kind": "auto", "fold": 0, "split_seed": 0, "sizes": {"train": 1000, "val": 20, "test": 30}},
        "reused": {"teacher": True},
        "best_epoch": 1,
        "epochs": 2,
        "seconds": {"data": 1.0, "student": 64.0},
        "parameters": {"teacher": 1234, "student": 5678},
        "environment": {"code": {"version": "0.1.0", "commit": "abcdef0123456789"}, "device": "cpu (Abacus)"},
    }
    run.write_summary(summary | changes)
    return folder
