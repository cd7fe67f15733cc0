"""Write the tables of docs/results.md from the rows of docs/results/: python scripts/write_results.py

A table stands between `<!-- rows: NAME -->` and `<!-- end -->`, where NAME is a key of TABLES. Run it after any change
of these rows, or of how tables are rendered; a test holds the page to it.
"""

import re
from collections.abc import Callable

import hydra
from results_of_runs import (
    ROOT,
    actor_and_tolokers,
    cora,
    esol,
    far_motif_small,
    nci1,
    students_of_batches,
    teacher_batches,
    teachers,
    typed_edges,
)
from results_of_tables import (
    ablation,
    awareness,
    awareness_controls,
    before_and_after,
    far_motif,
    floors,
    main_table,
    nci1_small,
    regimes,
)

from gnn_distill.cli.main import CONF_DIR

PAGE = ROOT / "docs" / "results.md"
BLOCK = re.compile(r"(<!-- rows: (\w+) -->\n)(?:.*?\n)??(<!-- end -->)", re.DOTALL)
TABLES: dict[str, Callable[[], str]] = {
    one.__name__: one
    for one in (
        main_table,
        floors,
        ablation,
        far_motif,
        far_motif_small,
        awareness,
        awareness_controls,
        regimes,
        before_and_after,
        typed_edges,
        nci1,
        nci1_small,
        cora,
        actor_and_tolokers,
        esol,
        teachers,
        teacher_batches,
        students_of_batches,
    )
}


def page() -> str:
    """docs/results.md with all of its tables rendered again."""
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]().strip()}\n\n{found[3]}", PAGE.read_text())


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"Wrote {PAGE}")
