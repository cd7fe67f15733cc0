"""What is imported: nothing that takes long before, or unless, it is used."""

import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

from hydra.core.config_store import ConfigStore

from gnn_distill.config import schema

HEAVY = {"sklearn", "networkx", "rdkit", "wandb"}
"""Not needed by a step of the default run; PyTorch, PyG and torchmetrics bring others with them."""
AT_EACH_STEP = """
import sys, torch
from gnn_distill.cli import main as cli

backward, steps = torch.Tensor.backward, []

def watched(*arguments, **options):
    steps.append({heavy} & set(sys.modules))
    return backward(*arguments, **options)

torch.Tensor.backward = watched
cli.main()
print(len(steps), *steps[-1], file=sys.stderr)
"""
SMALL = (
    *("train", "dataset.num_train=24", "dataset.num_val=12", "dataset.num_test=12", "tracker=none"),
    *("trainer.max_epochs=1", "pretrain.max_epochs=1", "debug.limit_batches=1"),
    *("trainer.threads=1", "trainer.accelerator=cpu", "probe.profiles_at_end=false"),
)


def test_a_step_of_training_needs_no_other_packages(tmp_path: Path) -> None:
    command = [sys.executable, "-c", AT_EACH_STEP.format(heavy=HEAVY), *SMALL]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, "3\n")  # a step of the teacher, of the student, of it alone


def test_a_report_of_a_run_needs_no_statistics() -> None:
    code = "import sys, gnn_distill.results.report; print({'torch', 'scipy.special', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_choices_and_capabilities_are_known_without_torch() -> None:
    code = (
        "import sys, gnn_distill.config.check\n"
        "from gnn_distill.config.capabilities import capabilities_of\n"
        "from gnn_distill.config.rules_run import module_choices\n"
        "print(capabilities_of('nagphormer').mini_batches, 'webkb' in module_choices('dataset.source'))\n"
        "print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert answer == "True True\nFalse\n"


def test_hydra_copies_what_it_reads_of_the_schemas_but_not_all_of_them() -> None:
    schema.register()
    store = ConfigStore.instance()
    assert deepcopy({"store": store})["store"] is store
    first, second = (store.load("schema/train.yaml").node for _ in range(2))
    first.seed = 7
    assert second.seed != 7
