"""Which pairs of graphs a model tells apart, as tables: in the terminal, as Markdown, as CSV."""

from pathlib import Path

import pandas as pd

from gnn_distill.config.listing import show
from gnn_distill.storage.files import replace_file

NAMES = {
    "model": "model",
    "pairs": "pairs",
    "told_apart": "told apart",
    "not_told_apart": "not told apart",
    "unstable": "unstable graphs",
    "category": "category",
    "distinguished": "distinguished",
    "unreliable": "unreliable",
}


def by_category(pairs: pd.DataFrame, categories: dict[str, range]) -> pd.DataFrame:
    """Finished, distinguished and unreliable pairs of each category, and of all of these.

    pairs: columns category, distinguished, reliable. A pair counts as distinguished only if it is reliable, too.
    """
    rows = []
    for category, numbers in categories.items():
        of_it = pairs[pairs["category"] == category]
        rows.append({"category": category, "pairs": f"{len(of_it)} of {len(numbers)}", **_counts(of_it)})
    chosen = pairs[pairs["category"].isin([*categories])]
    total = f"{len(chosen)} of {sum(map(len, categories.values()))}"
    return pd.DataFrame([*rows, {"category": "all", "pairs": total, **_counts(chosen)}])


def _counts(pairs: pd.DataFrame) -> dict[str, int]:
    distinguished, reliable = pairs["distinguished"].astype(bool), pairs["reliable"].astype(bool)
    return {"distinguished": int((distinguished & reliable).sum()), "unreliable": int((~reliable).sum())}


def publish(folder: Path, title: str, table: pd.DataFrame, notes: list[str]) -> None:
    """Write separation.csv and separation.md to a folder, and print the table."""
    replace_file(folder / "separation.csv", table.to_csv(index=False))
    header, rows = cells(table)
    lines = ["| " + " | ".join(row) + " |" for row in (header, ["---", *["---:"] * (len(header) - 1)], *rows)]
    text = "\n".join([f"## {title}", "", *lines, "", *(f"- {note}" for note in notes)])
    replace_file(folder / "separation.md", text + "\n")
    show(header, rows)


def cells(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Header and rows as text; whole numbers in groups of three digits."""
    header = [NAMES[name] for name in table]
    rows = [
        [f"{value:,}" if isinstance(value, int) else str(value) for value in row]
        for row in table.astype(object).values.tolist()
    ]
    return header, rows
