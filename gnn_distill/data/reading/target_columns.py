"""Which columns of a table are the targets."""

from typing import TYPE_CHECKING

from gnn_distill.config.quoting import for_hydra
from gnn_distill.data.reading.columns import Column, need_numbers
from gnn_distill.errors import UserError, shorten

if TYPE_CHECKING:
    from gnn_distill.config.schema.molecules import SmilesConfig

MOST_CLASSES, ROWS_OF_CLASS = 30, 4
"""Words are taken for classes if there are at most so many, and at least so many rows for each."""
MOST_LISTED, MOST_LETTERS = 12, 300
HELD = {"truth": "truth values or 0 and 1 only", "numbers": "numbers", "mixed": "mostly numbers", "words": "words"}
"""What columns hold, by their kind."""
FITTING = {
    "auto": tuple(HELD),
    "regression": ("numbers", "mixed"),
    "binary": ("truth",),
    "multilabel": ("truth",),
    "multiclass": ("words",),
}
"""The kinds of columns among which the target of a task is looked for first."""
CHOOSE = "Fix the file, or choose other columns by dataset.target_columns."


def choose_targets(columns: list[Column], dataset: "SmilesConfig") -> tuple[list[Column], list[str]]:
    """`dataset.target_columns`, else the only target there can be, or all truth values; and notices of that.

    Raises UserError, listing them, if several columns could be the target.
    """
    if dataset.target_columns:
        by_name = {column.name: column for column in columns}
        chosen = [by_name[name] for name in dataset.target_columns]
        for column in chosen:
            if column.unusable():
                raise nothing_to_learn(column)
        return chosen, []
    why, notices = {column.name: column.unusable() for column in columns}, []
    able = [column for column in columns if not why[column.name]]
    chosen = [column for column in able if column.kind != "words"] or [one for one in able if has_few_classes(one)]
    why |= {column.name: "words" for column in able if column not in chosen}
    if ids := [column for column in chosen if column.counts_rows]:
        if len(ids) < len(chosen):
            chosen = [column for column in chosen if column not in ids]
            why |= {column.name: "numbers the rows" for column in ids}
        else:
            notices = [f"'{ids[0].name}' looks like a row number, not a target."]
    if not chosen:
        raise no_target(columns, why, dataset)
    fitting = [column for column in chosen if column.kind in FITTING[dataset.kind]] or chosen
    why |= {column.name: HELD[column.kind] for column in chosen if column not in fitting}
    if len(fitting) > 1 and (dataset.kind == "binary" or any(column.kind != "truth" for column in fitting)):
        raise several_targets(fitting, dataset)
    if fitting[0].kind == "mixed":
        need_numbers(fitting[0], f"dataset.path={dataset.path}", CHOOSE)
    what = f"'{fitting[0].name}', the only column" if len(fitting) == 1 else f"the {len(fitting)} columns"
    left = ", ".join(f"{name} ({reason})" for name, reason in why.items() if reason)
    others = f" Left out: {shorten(left, MOST_LETTERS)}." if left else ""
    held = HELD[fitting[0].kind]
    return fitting, [*notices, f"Target: {what} of {held}.{others} dataset.target_columns chooses others."]


def has_few_classes(column: Column) -> bool:
    """Whether words are rather classes than names: there are few of them, each of several rows on average."""
    return len(column.classes) <= min(MOST_CLASSES, len(column.cells) // ROWS_OF_CLASS)


def too_many_classes(column: Column) -> UserError:
    """The error of a column of words that are rather names, or numbers with their units, than classes."""
    return UserError(
        f"dataset.target_columns: '{column.name}' holds {len(column.classes)} different words in {len(column.cells)} "
        f"rows ({', '.join(repr(shorten(name, 20)) for name in column.classes[:3])}, …). Numbers must stand alone, "
        "without a unit; set dataset.kind=multiclass if these are classes."
    )


def no_target(columns: list[Column], why: dict[str, str], dataset: "SmilesConfig") -> UserError:
    """The error of a table without a column that can be a target."""
    if len(columns) == 1 and columns[0].kind != "words":
        return nothing_to_learn(columns[0])
    if not columns:
        return UserError(
            f"dataset.path={dataset.path}: there is no column beside the SMILES. Add one with what is to be predicted."
        )
    examples = {column.name: shorten(next(iter(column.classes), ""), 20) for column in columns}
    names = ", ".join(
        f"{name} ({reason}{f' such as {examples[name]!r}' if reason == HELD['words'] else ''})"
        for name, reason in why.items()
    )
    return UserError(
        f"dataset.path={dataset.path}: no column of numbers or truth values to predict. "
        f"Set dataset.target_columns to one or more of {names}."
    )


def several_targets(columns: list[Column], dataset: "SmilesConfig") -> UserError:
    """The error of a table in which several columns could be the target: it lists them by what they hold."""
    held = {kind: [column.name for column in columns if column.kind == kind] for kind in HELD}
    listed = "; ".join(f"{HELD[kind]}: {first_names(names)}" for kind, names in held.items() if names)
    return UserError(
        f"dataset.path={dataset.path}: several columns could be the target ({listed}). Name it, or several of one "
        f'kind: "dataset.target_columns=[{for_hydra(columns[0].name)}]".'
    )


def first_names(names: list[str]) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more


def nothing_to_learn(column: Column) -> UserError:
    """The error of a column that is empty or constant."""
    return UserError(
        f"dataset.target_columns: '{column.name}' is {column.unusable()}: nothing to learn. Choose other columns."
    )
