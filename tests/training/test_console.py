import io
import os
import subprocess
import sys
import threading
import time

import pytest

from gnn_distill.data.task import Features, TaskSpec
from gnn_distill.formatting import metric_label, shown
from gnn_distill.storage.checksums import read_json
from gnn_distill.storage.run_directory import RunDirectory, verify_run
from gnn_distill.training import console as module
from gnn_distill.training.console import Console
from gnn_distill.training.progress import LineProgress


def spec(metric="accuracy", higher=True, note=""):
    return TaskSpec(
        *("NCI1", "binary", "graph", 1, Features("categorical", (3,)), None, metric, higher),
        *(("y",), (0.0,), (1.0,)),
        note=note,
    )


def rows_of(text):
    """The cells of a printed table by the first of their row."""
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "│" in line]
    return {name: cells for name, *cells in rows}


def run_epochs(console, total, last=None):
    with console.progress(total, "teacher") as bar:
        for epoch in range(1, (last or total) + 1):
            bar.update(epoch, 1 / epoch, {"accuracy": 0.123456, "loss": 9.0}, lr=1e-3)


def test_lines_come_every_tenth_of_the_epochs():
    file = io.StringIO()
    run_epochs(Console(file), 40)
    lines = file.getvalue().splitlines()
    assert [line.split("epoch")[1].split()[0] for line in lines] == [f"{n}/40" for n in (1, *range(4, 41, 4))]
    assert "loss 0.25  val accuracy 12.3 %" in lines[1]
    assert "left" in lines[1]
    assert "left" not in lines[-1]
    assert "val loss" not in lines[0]


def test_the_last_epoch_is_told_when_training_stops_early():
    file = io.StringIO()
    run_epochs(Console(file), 100, last=57)
    assert "57/100" in file.getvalue().splitlines()[-1]


def test_a_slow_epoch_is_told_after_thirty_seconds(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lines = []
    progress = LineProgress(lines.append, 1000, "")
    for epoch in range(1, 8):
        now[0] += 11
        progress.update(epoch, 0.5, {})
    assert [int(line.split()[1].split("/")[0]) for line in lines] == [1, 4, 7]
    assert "11 s/epoch" in lines[0]
    assert "3 h 3 min left" in lines[0]


def test_a_pipe_gets_no_control_codes_and_no_wrapped_lines():
    file = io.StringIO()
    console = Console(file)
    console.stage("distil", "graphormer [bold]<-gin[/bold] " + "x" * 200)
    console.warn("careful")
    console.notice("so it is")
    run_epochs(console, 10)
    text = file.getvalue()
    assert "\x1b" not in text
    assert "[bold]<-gin[/bold] " + "x" * 200 in text
    assert "Warning: careful\nNote: so it is\n" in text


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
@pytest.mark.parametrize("no_colour", [False, True])
def test_a_terminal_gets_a_bar_and_respects_no_color(no_colour):
    code = (
        "from gnn_distill.training.console import Console\nconsole = Console()\nconsole.warn('careful')\n"
        "with console.progress(3, 'teacher') as bar:\n"
        "    for epoch in (1, 2, 3): bar.update(epoch, 0.5, {'accuracy': 0.75})\n"
    )
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "CI")} | {"TERM": "xterm"}
    env |= {"NO_COLOR": "1"} if no_colour else {}
    ours, theirs = os.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    output = b""
    try:
        while part := os.read(ours, 4096):
            output += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    text = output.decode()
    assert "3/3  loss 0.5  val accuracy 75.0 %" in text
    assert "\x1b[?25l" in text  # a live bar hides the cursor
    assert ("\x1b[33m" in text) is not no_colour


def test_a_notebook_gets_lines_and_one_table(tmp_path, monkeypatch):
    """It forces colours, and rich would display whatever is printed, a table for a file too."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda *_: pytest.fail("an output beside the text"))
    file = io.StringIO()
    console = Console(file)
    run_epochs(console, 10)
    results = {"student": {"val": {"accuracy": 0.5}, "test": {"accuracy": 0.5}}}
    console.result_table(spec(), results, tmp_path)
    assert len([line for line in file.getvalue().splitlines() if "epochs/s" in line]) == 10
    assert "\x1b[2K" not in file.getvalue()
    assert file.getvalue().count("student") == 1


def test_table_shows_both_roles_the_lead_note_and_files(tmp_path):
    file = io.StringIO()
    results = {
        "teacher": {"val": {"accuracy": 0.84}, "test": {"accuracy": 0.835}},
        "student": {"val": {"accuracy": 0.80}, "test": {"accuracy": 0.791}},
    }
    Console(file).result_table(spec(note="rebuilt labels"), results, tmp_path)
    text = file.getvalue()
    rows = rows_of(text)
    assert "val accuracy (%)" in text
    assert "84.0" in rows["teacher"] and "79.1" in rows["student"]  # noqa: PT018
    assert rows["teacher ahead by"] == ["4.0", "4.4"]
    assert "NCI1: rebuilt labels" in text
    assert str(tmp_path) in text


def test_the_teacher_is_ahead_where_its_error_is_smaller():
    file = io.StringIO()
    results = {"teacher": {"val": {"mae": 0.25}}, "student": {"val": {"mae": 0.40}}}
    Console(file).result_table(spec("mae", higher=False), results, "out")
    assert rows_of(file.getvalue()) == {
        "teacher": ["0.2500"],
        "student": ["0.4000"],
        "teacher ahead by": ["0.1500"],
    }
    assert "test" not in file.getvalue()


def test_whoever_is_ahead_is_named():
    file = io.StringIO()
    results = {
        "teacher": {"val": {"accuracy": 0.5}, "test": {"accuracy": 0.75}},
        "student": {"val": {"accuracy": 0.676}, "test": {"accuracy": 0.7}},
    }
    Console(file).result_table(spec(), results, "out")
    rows = rows_of(file.getvalue())
    assert (rows["teacher ahead by"], rows["student ahead by"]) == (["", "5.0"], ["17.6", ""])
    assert "-17.6" not in file.getvalue()


@pytest.mark.parametrize(
    ("metric", "lines", "table"),
    [
        ("accuracy", "val accuracy 64.7 %", "64.7"),
        ("macro_f1", "val macro_f1 64.7 %", "64.7"),
        ("roc_auc", "val roc_auc 64.7 %", "64.7"),
        ("average_precision", "val average_precision 64.7 %", "64.7"),
        ("rmse", "val rmse 0.6471", "0.6471"),
    ],
)
def test_a_metric_has_one_scale_everywhere(metric, lines, table):
    file = io.StringIO()
    console = Console(file)
    with console.progress(1) as bar:
        bar.update(1, 0.5, {f"val/{metric}": 0.64711})
    console.result_table(spec(metric), {"student": {"test": {metric: 0.64711}}}, "out")
    assert lines in file.getvalue()
    assert rows_of(file.getvalue())["student"] == [table]
    assert metric_label(metric) in file.getvalue()
    assert shown(0.64711, metric) in (table, "0.647")  # and so do the pages


def test_numbers_too_small_for_decimals_are_not_shown_as_zero():
    assert shown(3e-9, "rmse") == "3.00e−09"
    assert shown(0.001234, "rmse") == "0.00123"


def test_a_student_alone_leads_nobody():
    file = io.StringIO()
    Console(file).result_table(spec(), {"student": {"val": {"accuracy": 0.5}, "test": {}}}, "out")
    assert "ahead" not in file.getvalue()
    assert "50.0" in file.getvalue()


def test_a_run_keeps_every_line_and_every_notice(tmp_path):
    file = io.StringIO()
    console = Console(file)
    console.warn("said before there was a folder")
    console.keep(RunDirectory(tmp_path))
    console.stage("distil", "all of it")
    console.notice("3 of 12 labels left out")
    console.notice("3 of 12 labels left out")
    console.warn("stopped", lasting=False)
    run_epochs(console, 3)
    console.result_table(spec(), {"student": {"val": {"accuracy": 0.5}}}, tmp_path)
    assert (tmp_path / "console.log").read_text().split() == file.getvalue().split()
    wanted = ["Warning: said before there was a folder", "Note: 3 of 12 labels left out"]
    assert read_json(tmp_path / "run.json")["notices"] == wanted

    (tmp_path / "checkpoints" / "last.safetensors").touch()
    later = Console(io.StringIO())
    later.warn("gone on with")
    later.notice("3 of 12 labels left out")
    later.keep(RunDirectory(tmp_path, resume=True))
    assert later.notices == [wanted[0], wanted[1], "Warning: gone on with"]
    assert (tmp_path / "console.log").read_text().endswith("Warning: gone on with\nNote: 3 of 12 labels left out\n")


def test_a_bar_on_a_terminal_is_lines_in_the_log(tmp_path):
    console = Console(io.StringIO())
    console._rich = module.rich_console.Console(file=io.StringIO(), force_terminal=True, width=80)
    console.keep(RunDirectory(tmp_path))
    run_epochs(console, 100, last=57)
    lines = (tmp_path / "console.log").read_text().splitlines()
    assert "57/100  loss 0.01754  val accuracy 12.3 %" in lines[-1]
    assert "\x1b" not in "".join(lines)


def test_what_another_thread_says_waits_for_the_run_to_write_it(tmp_path):
    directory, console = RunDirectory(tmp_path), Console(io.StringIO())
    console.keep(directory)
    thread = threading.Thread(target=console.warn, args=["the tracker is busy"])
    thread.start()
    thread.join()
    assert read_json(tmp_path / "run.json")["notices"] == []
    directory.remember()
    assert read_json(tmp_path / "run.json")["notices"] == ["Warning: the tracker is busy"]


def test_a_finished_run_stays_as_its_manifest_tells(tmp_path):
    directory, console = RunDirectory(tmp_path), Console(io.StringIO())
    console.keep(directory)
    directory.write_summary({})
    console.warn("too late")
    verify_run(tmp_path)
    assert console.notices == ["Warning: too late"]


class Broken(io.StringIO):
    """A stream that takes one line."""

    def write(self, text):
        if self.getvalue():
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


def test_a_broken_pipe_ends_nothing_and_is_told_once(tmp_path, capsys):
    file = Broken()
    console = Console(file)
    console.keep(RunDirectory(tmp_path))
    for text in ("one", "two", "three"):
        console.say(text)
    run_epochs(console, 2)
    assert file.getvalue() == "one\n"
    assert (tmp_path / "console.log").read_text().startswith("one\ntwo\nthree\nteacher  epoch 1/2")
    assert capsys.readouterr().err.count("output is discarded from here on (Broken pipe)") == 1


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_short_work_is_not_told_of(clock):
    file = io.StringIO()
    with Console(file).work("encodings") as work:
        for done in range(1, 20):
            clock[0] += 0.1
            work.update(done, 19)
    assert file.getvalue() == ""


def test_long_work_gets_a_line_now_and_then(clock):
    file = io.StringIO()
    with Console(file).work("encodings") as work:
        for done in range(1, 101):
            clock[0] += 1
            work.update(done, 100)
    lines = file.getvalue().splitlines()
    assert lines[0] == "encodings  2%  1 min 38 s left"
    assert [line.split()[1] for line in lines] == ["2%", "32%", "62%", "92%"]


def test_long_work_gets_a_bar_on_a_terminal(clock):
    file = io.StringIO()
    console = Console(file)
    console._rich = module.rich_console.Console(file=file, force_terminal=True, width=80)
    with console.work("encodings") as work:
        work.update(1, 4)
        assert file.getvalue() == ""
        clock[0] = 3
        work.update(3, 4)
    assert "encodings" in file.getvalue()
    assert "75 %" in file.getvalue()
