"""`gnn-distill COMMAND --help`: every key with what it does, what applies to the command, as wide as the terminal."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gnn_distill.cli.commands import COMMANDS, CONF_DIR
from gnn_distill.cli.layout import columns, shell_line
from gnn_distill.config.catalogue import about, choices
from gnn_distill.config.descriptions import all_keys
from gnn_distill.config.schema import SCHEMAS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_key_is_there_with_what_it_does(
    gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = gnn_distill(command, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(" ".join(f"usage: gnn-distill {command} {COMMANDS[command].words}".split()))
    words = " ".join(out.replace("\\\n", " ").split())
    for key in all_keys(SCHEMAS[command]):
        assert re.search(rf"^  {re.escape(key.name)}(=| \(required\))", out, flags=re.MULTILINE), key.name
        assert key.text in words, key.name
    assert all(" ".join(f"gnn-distill {command} {example}".split()) in words for example in COMMANDS[command].examples)
    assert (CONF_DIR.parents[0] / "docs" / COMMANDS[command].page).is_file()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("command", ["train", "predict", "table"])
def test_it_fits_the_terminal(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch, command: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for words in ([command, "--help"], ["--help"]):
        for line in gnn_distill(*words)[1].splitlines():
            assert len(line) <= width or len(line.split()) == 1, line


def test_values_are_those_of_the_other_words(gnn_distill: Callable) -> None:
    out = gnn_distill("train", "--help", "dataset=cora", "student=gps", "optim.lr=0.125")[1]
    assert "  dataset=cora " in out
    assert "  dataset.name=Cora " in out
    assert "  student.readout=mean " in out
    assert out.count("  optim.lr=0.125 ") == 2  # among the keys that are changed most, and in its section
    assert "  dataset.setting=transductive " in out
    assert "  dataset.smiles_column=smiles " in out  # of other data sets the defaults
    out = gnn_distill("predict", "my run", "new.csv", "-o", "out.csv", "-h")[1]
    assert "  runs=[my run] " in out
    assert "  output=out.csv " in out


def test_what_a_command_only_hands_on_has_no_value(gnn_distill: Callable) -> None:
    out = gnn_distill("table", "--help")[1]
    assert "  trainer.max_epochs=… " in out
    assert "  table.rows.<name>.role=student " in out
    assert "  table.size=full " in out


def test_only_groups_and_choices_that_apply(gnn_distill: Callable) -> None:
    for command in ("explain", "export", "predict", "runs", "store", "convert", "report"):
        assert "group=choice" not in gnn_distill(command, "--help")[1]
    train, separate = (gnn_distill(command, "--help")[1] for command in ("train", "separate"))
    assert not {"sr25", "brec", "graph8c"} & {*re.findall(r"\w+", train.partition("\nKeys")[0])}
    assert re.search(r"^  dataset=sr25 .*\n      brec, graph8c, sr25$", separate, flags=re.MULTILINE)
    compare = gnn_distill("compare", "--help")[1].partition("\nKeys")[0]
    assert re.search(r"^  table=main .*\n +ablation, ", compare, flags=re.MULTILINE)
    assert re.search(r"^  dataset  .*\n +actor, ", compare, flags=re.MULTILINE)
    assert "actor/alone" in train


def test_a_section_alone_explains_the_choices_of_its_group(gnn_distill: Callable) -> None:
    out = " ".join(gnn_distill("train", "--help", "-p", "loss")[1].split())
    folders = [CONF_DIR / "loss"]
    assert all(f"loss={name} {about(name, folders)}" in out for name in choices(folders))
    assert "loss.micro.relation=" in out
    assert "optim.lr" not in out
    assert "  student=gps  " in gnn_distill("compare", "--help", "-p", "student")[1]
    status, _, err = gnn_distill("train", "--help", "-p", "los")
    assert status == 1
    assert err.startswith("gnn-distill train: --package=los: no such section. Did you mean 'loss'? It has: dataset, ")


def test_own_files_are_choices(gnn_distill: Callable, tmp_path: Path) -> None:
    (tmp_path / "mine" / "teacher").mkdir(parents=True)
    (tmp_path / "mine" / "teacher" / "rings.yaml").write_text("# Counts rings.\nname: mine.rings\n")
    out = gnn_distill("train", "--help", "--config-dir", "mine", "teacher=rings")[1]
    assert "  teacher=rings " in out
    assert re.search(r"pna, rings,\s+sage", out)
    alone = gnn_distill("train", "--help", "-p", "teacher", "--config-dir", "mine")[1]
    assert re.search(r"^  teacher=rings +Counts rings\.$", alone, flags=re.MULTILINE)
    assert gnn_distill("train", "--help", "--config-dir", "no")[::2] == (
        1,
        "gnn-distill train: --config-dir no: this folder does not exist.\n",
    )


def test_wrong_words_are_answered_as_without_help(gnn_distill: Callable) -> None:
    status, _, err = gnn_distill("train", "--help", "optim.rl=1")
    assert (status, err.partition(" Keys")[0]) == (
        1,
        "gnn-distill train: optim.rl=1: unknown key. Did you mean 'optim.lr'?",
    )
    assert gnn_distill("train", "--help", "--sed", "1")[::2] == (
        1,
        "gnn-distill train: write seed=1 instead of --sed 1.\n",
    )


def test_it_needs_neither_torch_nor_the_schemas_of_other_commands(tmp_path: Path) -> None:
    code = (
        "import sys; from gnn_distill.cli.main import main; main(); from hydra.core.config_store import ConfigStore; "
        "print({'torch', 'pandas', 'rich'} & {*sys.modules}, *ConfigStore.instance().repo['schema'], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "predict", "--help"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stderr == "set() predict.yaml\n"


def test_long_names_and_commands_are_split_where_a_reader_expects_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert list(columns([("a=1", "short"), ("a_very_long_name=1", "words of several lines, some of them")])) == [
        *("  a=1  short", "  a_very_long_name=1"),
        *("       words of several lines, some of", "       them"),
    ]
    monkeypatch.setenv("COLUMNS", "48")
    assert shell_line("gnn-distill predict outputs/train/RUN new.csv -o out.csv") == [
        *("  gnn-distill predict outputs/train/RUN \\", "      new.csv -o out.csv"),
    ]
