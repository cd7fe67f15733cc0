import io
import os
import subprocess
import sys

import pytest

from gnn_distill import console as module
from gnn_distill.console import Console, LineProgress
from gnn_distill.data.task import Features, TaskSpec


def spec(metric="accuracy", higher=True, note=""):
    return TaskSpec(
        *("NCI1", "binary", "graph", 1, Features("categorical", (3,)), None, metric, higher),
        *(("y",), (0.0,), (1.0,)),
        note=note,
    )


def run_epochs(console, total, last=None):
    with console.progress(total, "teacher") as bar:
        for epoch in range(1, (last or total) + 1):
            bar.update(epoch, 1 / epoch, {"accuracy": 0.123456, "loss": 9.0}, lr=1e-3)


def test_lines_come_every_tenth_of_the_epochs():
    file = io.StringIO()
    run_epochs(Console(file), 40)
    lines = file.getvalue().splitlines()
    assert [line.split("epoch")[1].split()[0] for line in lines] == [f"{n}/40" for n in (1, *range(4, 41, 4))]
    assert "loss 0.25  val accuracy 0.1235" in lines[1]
    assert "left" in lines[1]
    assert "left" not in lines[-1]
    assert "9" not in lines[0].replace("epochs/s", "").split("accuracy")[1].split()[0]


def test_the_last_epoch_is_told_when_training_stops_early():
    file = io.StringIO()
    run_epochs(Console(file), 100, last=57)
    assert "57/100" in file.getvalue().splitlines()[-1]


def test_a_slow_epoch_is_told_after_thirty_seconds(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
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
        "from gnn_distill.console import Console\nconsole = Console()\nconsole.warn('careful')\n"
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
    assert "3/3  loss 0.5  val accuracy 0.75" in text
    assert "\x1b[?25l" in text  # a live bar hides the cursor
    assert ("\x1b[33m" in text) is not no_colour


def test_table_shows_both_roles_gap_note_and_files(tmp_path):
    file = io.StringIO()
    results = {
        "teacher": {"val": {"accuracy": 0.84}, "test": {"accuracy": 0.835}},
        "student": {"val": {"accuracy": 0.80}, "test": {"accuracy": 0.791}},
    }
    Console(file).result_table(spec(note="rebuilt labels"), results, tmp_path)
    text = file.getvalue()
    rows = {line.split()[1]: line for line in text.splitlines() if "│" in line or "|" in line}
    assert "val accuracy (%)" in text
    assert "84.0" in rows["teacher"] and "79.1" in rows["student"]  # noqa: PT018
    assert "4.0" in rows["gap"] and "4.4" in rows["gap"]  # noqa: PT018
    assert "NCI1: rebuilt labels" in text
    assert str(tmp_path) in text


def test_gap_of_an_error_is_positive_when_the_teacher_is_better():
    file = io.StringIO()
    results = {"teacher": {"val": {"mae": 0.25}}, "student": {"val": {"mae": 0.40}}}
    Console(file).result_table(spec("mae", higher=False), results, "out")
    gap = next(line for line in file.getvalue().splitlines() if " gap " in line)
    assert "0.1500" in gap
    assert "-0.1500" not in gap
    assert "test" not in file.getvalue()


def test_a_student_alone_has_no_gap():
    file = io.StringIO()
    Console(file).result_table(spec(), {"student": {"val": {"accuracy": 0.5}, "test": {}}}, "out")
    assert "gap" not in file.getvalue()
    assert "50.0" in file.getvalue()


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
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
