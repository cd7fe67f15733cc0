"""What the command line makes of bad input: one message, exit code 1, and a traceback only for those who ask."""

from collections.abc import Callable
from typing import Any

import pytest

from gnn_distill.cli import main as cli
from gnn_distill.errors import UserError


def as_a_job(call: Callable[[], Any]) -> None:
    """Do something the way a command is run."""
    with cli.error_boundary("train"):
        try:
            call()
        except UserError as error:
            raise SystemExit(1) from error


def refusal(call: Callable[[], Any], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> str:
    """The message that `call` ends in; checks that there is nothing else, and what HYDRA_FULL_ERROR=1 adds."""
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        as_a_job(call)
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (1, "")
    assert err.startswith("gnn-distill train: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(UserError) as raised:
        as_a_job(call)
    assert err == f"gnn-distill train: {raised.value}\n"
    return str(raised.value)
