"""A graph by the recipe of Minesweeper (Platonov et al. 2023), in the file format of the published one.

    python scripts/make_minesweeper.py FOLDER

writes FOLDER/HeterophilousGraphDataset/minesweeper/raw/minesweeper.npz: a folder for `paths.mirror` where the published
file is not at hand. A grid of 100 x 100 cells, each joined with its eight neighbours; a fifth of them are mines, the
label; features are the number of mines around a cell, one-hot and capped at 5, which half of the cells hide; ten folds
of 50, 25 and 25 % of the cells, drawn at random.
"""

import sys
from pathlib import Path

import numpy as np

SIDE, FOLDS, MINES, HIDDEN, MOST = 100, 10, 0.2, 0.5, 5


def main(folder: Path, seed: int = 0) -> Path:
    """Write the file, and return its path."""
    generator, count = np.random.default_rng(seed), SIDE * SIDE
    mines = (generator.random((SIDE, SIDE)) < MINES).ravel().astype(np.int64)
    edges = grid_edges()
    around = np.zeros(count, dtype=np.int64)
    np.add.at(around, edges[:, 0], mines[edges[:, 1]])
    np.add.at(around, edges[:, 1], mines[edges[:, 0]])
    # The last feature says that the number is hidden.
    kinds = np.where(generator.random(count) < HIDDEN, MOST + 1, np.minimum(around, MOST))
    masks = np.zeros((3, FOLDS, count), dtype=bool)
    for fold in range(FOLDS):
        for part, cells in enumerate(np.split(generator.permutation(count), [count // 2, count * 3 // 4])):
            masks[part, fold, cells] = True
    raw = folder / "HeterophilousGraphDataset" / "minesweeper" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    np.savez(
        raw / "minesweeper.npz",
        node_features=np.eye(MOST + 2, dtype=np.float32)[kinds],
        node_labels=mines,
        edges=edges,
        **dict(zip(("train_masks", "val_masks", "test_masks"), masks, strict=True)),
    )
    return raw / "minesweeper.npz"


def grid_edges() -> np.ndarray:
    """Pairs of neighbouring cells, [edge, 2], each once: right, below, and the two diagonals below."""
    cells = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    pairs = [
        (cells[:, :-1], cells[:, 1:]),
        (cells[:-1], cells[1:]),
        (cells[:-1, :-1], cells[1:, 1:]),
        (cells[:-1, 1:], cells[1:, :-1]),
    ]
    return np.concatenate([np.stack([one.ravel(), other.ravel()], axis=1) for one, other in pairs])


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
