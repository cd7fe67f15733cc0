"""Signals of a launcher, and of the workers that do its jobs."""

import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from gnn_distill.interruption import Interrupted, Interruption

WORKER = """
import os, time
from gnn_distill.interruption import Interrupted, Interruption, working_for
with working_for(os.getppid()):
    try:
        with Interruption():
            print("works", flush=True)
            time.sleep(60)
    except Interrupted as signal:
        print("stops in order", flush=True)
time.sleep(60)  # an idle worker
"""
LAUNCHER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1]])
time.sleep(60)
"""


def test_of_two_that_listen_the_inner_one_holds_the_signal_and_the_outer_one_hears_the_next() -> None:
    with Interruption():
        with Interruption() as inner:
            with suppress(Interrupted), inner.held():
                signal.raise_signal(signal.SIGTERM)  # raised only where the block ends
                inner.asked += " was held"
            assert inner.asked == "SIGTERM was held"
        with pytest.raises(Interrupted, match="SIGINT"):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_worker_whose_launcher_was_killed_ends_its_job_in_order_and_goes() -> None:
    words = [sys.executable, "-c", LAUNCHER, WORKER]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout.readline() == "works\n"
        launcher.kill()
        # The worker holds the other end of the pipe: it is read to its end once the worker is gone.
        assert launcher.stdout.read() == "stops in order\n"
