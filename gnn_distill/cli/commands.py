"""The commands: what each is for, how it is typed, and what becomes of its words without a key."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gnn_distill.cli import positional
from gnn_distill.cli.layout import block, columns, paragraph

PACKAGE = Path(__file__).parents[1]
# A wheel carries conf/ inside the package; a checkout keeps it beside the package.
CONF_DIR = next(path for path in (PACKAGE / "conf", PACKAGE.parent / "conf") if path.is_dir())


@dataclass(frozen=True)
class Command:
    """A command: the Hydra application of `conf/<name>.yaml`, and the module of its name in this room."""

    about: str
    """What it is for, in a line of `gnn-distill --help`."""
    page: str
    """Where it is explained, in docs/."""
    words: str = ""
    """Its words without a key, as its usage shows them: what is always needed without brackets."""
    examples: tuple[str, ...] = ()
    """Words that somebody would type after it."""
    rewritten: Callable[[list[str]], list[str]] = list
    """Makes keys of words without one."""

    @property
    def needs_words(self) -> bool:
        """Whether it does nothing without some of its words, which give its keys their values."""
        return self.words != "" and not self.words.startswith("[")


COMMANDS = {
    "train": Command(
        "Pretrain a teacher, distil it into a student, evaluate both; resume=FOLDER continues a stopped run.",
        "method.md",
        "[resume=FOLDER] [-m]",
        ("dataset=nci1 dataset.fold=0 student=gps", "-m loss.weights.micro=0,0.1,1 seed=0,1,2"),
    ),
    "datasets": Command(
        "List the data sets: task, metric, size, and whether the files are here.",
        "extending.md",
        examples=("", "paths.mirror=raw"),
    ),
    "models": Command(
        "List the teachers, students and encodings: what each is, and what it reads.",
        "extending.md",
        examples=("", "--config-dir my_conf"),
    ),
    "tables": Command(
        "List the tables of results that can be made: rows, columns, sizes.",
        "tables.md",
        examples=("",),
    ),
    "compare": Command(
        "Does distillation help? The student with and without its teacher, on one data set.",
        "floors.md",
        "[dataset=NAME]",
        ("dataset=esol", "dataset=nci1 pairs=3 rows=[kd,gcrd,full]"),
        positional.given_to_all,
    ),
    "crossval": Command(
        "One method over folds and seeds of one data set; its students are an ensemble.",
        "floors.md",
        "[dataset=NAME]",
        ("dataset=esol folds=5 seeds=3", "dataset=smiles dataset.path=my.csv"),
        positional.given_to_folds,
    ),
    "table": Command(
        "Run what a results table still lacks, and render it.",
        "tables.md",
        examples=("table=main table.size=smoke", "table=baselines table.status=true"),
    ),
    "tune": Command(
        "Tune the methods of a table on validation, with equal budgets (needs the extra tune).",
        "tuning.md",
        examples=("table=main tune.trials=8 tune.rows=[alone,kd,full] tune.columns=[esol]",),
    ),
    "separate": Command(
        "Count the pairs of graphs that a model tells apart (SR25, graph8c, BREC).",
        "expressiveness.md",
        examples=("dataset=sr25 teacher=gin", "dataset=brec student=graphormer encoding=all brec.categories=[basic]"),
    ),
    "predict": Command(
        "Predict a file of molecules or graphs with the students of finished runs.",
        "predict.md",
        "RUN... INPUT -o OUT.csv",
        ("outputs/train/RUN new.csv -o predicted.csv", "multirun/train/SWEEP new.csv -o predicted.csv coverage=0.9"),
        positional.named_files,
    ),
    "explain": Command(
        "Show the atoms and bonds that carry predictions, as a page.",
        "explain.md",
        "RUN [INPUT] [-o FOLDER]",
        ("outputs/train/RUN", "outputs/train/RUN new.csv -o explained method=gradient"),
        positional.named_run,
    ),
    "probe": Command(
        "Ask the models of finished runs what they know of structure.",
        "probes.md",
        "FOLDER...",
        ("outputs/train", "outputs/train/RUN probe.profiles=false"),
        positional.named_runs,
    ),
    "runs": Command(
        "List finished runs.", "floors.md", "[FOLDER...]", ("", "outputs/cells last=0"), positional.named_places
    ),
    "report": Command(
        "Write a run, a table or a sweep as one HTML page, or runs side by side.",
        "floors.md",
        "FOLDER...",
        ("outputs/train/RUN", "multirun/train/SWEEP report.x=loss.weights.micro"),
        positional.named_reports,
    ),
    "convert": Command(
        "Write one large graph as a folder of memory maps.",
        "scale.md",
        "INPUT -o FOLDER",
        ("graph.npz -o graph",),
        positional.named_input,
    ),
    "export": Command(
        "Write a student for use elsewhere: a program of torch.export, ONNX, or a model repository.",
        "export.md",
        "RUN [-o FOLDER]",
        ("outputs/train/RUN format=onnx", "outputs/train/RUN format=hub -o my_model"),
        positional.named_run,
    ),
    "store": Command(
        "Manage the store that runs share (trained teachers, …): list, verify or prune.",
        "store.md",
        "[list|verify|prune]",
        ("verify", "prune store.days=30 store.delete=true"),
        positional.named_action,
    ),
}
"""By name, in the order of `gnn-distill --help`."""


def usage() -> str:
    """What `gnn-distill --help` prints."""
    about = (
        "'gnn-distill COMMAND --help' says what may follow it: words, groups and every key. 'gnn-distill --completion "
        "SHELL' prints what sets up completion in bash, zsh or fish; 'gnn-distill --version' the version."
    )
    return "\n".join(
        [
            *paragraph("usage: gnn-distill COMMAND [WORD ...] [group=choice ...] [key=value ...]"),
            *block("Commands", columns((name, command.about) for name, command in COMMANDS.items())),
            "",
            *paragraph(about),
        ]
    )
