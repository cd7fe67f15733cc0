"""What a result was made with: every module that takes part is hashed, and no other."""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gnn_distill.config.module_files import NAME, PACKAGE, path_of
from gnn_distill.config.node_families import module_behind, sources
from gnn_distill.errors import UserError
from gnn_distill.storage import code_hash
from gnn_distill.storage.code_hash import EXEMPT, code_of, imports_of
from gnn_distill.storage.provenance import run_code

TEACHERS = f"{NAME}.models.teachers"
NOT_TEACHERS = ("losses.families", "models.teachers.custom", "models.probe")
NOT_ENCODINGS = ("models",)


def short(modules: Any) -> set[str]:
    return {module.removeprefix(f"{NAME}.") for module in modules}


def every_module() -> list[str]:
    names = (path.relative_to(PACKAGE.parent).with_suffix("").parts for path in sorted(PACKAGE.rglob("*.py")))
    return [".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in names]


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes one module of the package differ by one byte."""

    def change(name: str) -> None:
        plain = Path.read_bytes
        path = path_of(name)
        monkeypatch.setattr(Path, "read_bytes", lambda self: plain(self) + b"\n" * (self == path))
        monkeypatch.setattr(code_hash, "_known", code_hash._code_of)

    return change


ROOTS = {
    "teacher": ([f"{NAME}.pipeline.teacher", f"{TEACHERS}.gin"], NOT_TEACHERS),
    "twin": ([f"{NAME}.pipeline.teacher", f"{NAME}.models.students.transformer"], NOT_TEACHERS),
    "signals": ([f"{NAME}.pipeline.teacher_outputs", f"{TEACHERS}.gin"], NOT_TEACHERS),
    "encodings": ([f"{NAME}.pipeline.encodings"], NOT_ENCODINGS),
    "structure": ([f"{NAME}.pipeline.subgraphs"], ()),
    "run": ([f"{NAME}.pipeline.run", f"{NAME}.data.sources.zinc", f"{TEACHERS}.gin"], ()),
}
CHANGES = {
    "models.layers.dropout": {"twin"},
    "models.layers.path_sums": {"teacher", "twin", "signals", "run"},
    "cpu": {*ROOTS},
    "data.encodings.neighbour_rounds": {*ROOTS},
    "data.encodings.workers": {*ROOTS},
    "data.subgraphs.node_sets": {"structure", "run"},
    "data.subgraphs.anchors": {"structure", "run"},
    "data.encodings.spectra": {"encodings", "structure", "run"},
    "data.loaders": {"teacher", "twin", "signals", "run"},
    "data.batching": {*ROOTS} - {"encodings"},
    "models.teachers.gin": {"teacher", "signals", "run"},
    "models.teachers.gat": set(),
    "models.layers.standardise": {"teacher", "twin", "signals", "run"},
    "losses.families": {"run"},
    "losses.macro": {"run"},
    "losses.micro": {"run"},
    "losses.rows": {"run"},
    "losses.own": {"run"},
    "losses.projectors": {"teacher", "twin", "signals", "run"},
    "losses.task": {"teacher", "twin", "signals", "run"},
    "pipeline.shuffled_teacher": {"signals", "run"},
    "data.sources.zinc": {"run"},
    "data.sources.pyg_nodes": set(),
    "data.sources.smiles": set(),
    "results.table_page": set(),
    "cli.table": set(),
    "training.console": set(),
    "training.progress": set(),
    "training.recipe": {"teacher", "twin", "signals", "run"},
    "pipeline.fitting": {"teacher", "twin", "signals", "run"},
    "pipeline.summary": {"run"},
    "config.schema.run": set(),
}


@pytest.mark.parametrize("module", CHANGES)
def test_one_byte_changes_the_right_keys(module: str, changed: Callable) -> None:
    before = {name: code_of(*given).digest for name, given in ROOTS.items()}
    changed(f"{NAME}.{module}")
    after = {name: code_of(*given).digest for name, given in ROOTS.items()}
    assert {name for name in ROOTS if after[name] != before[name]} == CHANGES[module]


def test_every_module_that_is_named_counts_to_the_byte(changed: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_of(*ROOTS["run"])
    for module in every_module():
        changed(module)
        assert (code_of(*ROOTS["run"]).digest != before.digest) == (module in before.modules), module
        monkeypatch.undo()


def test_a_run_counts_the_module_that_reads_its_source(changed: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def digests() -> dict[str, str]:
        return {source: run_code({"dataset": {"source": source}}).digest for source in sources()}

    for source in sources():
        assert f"{NAME}.data.sources.{module_behind(source)}" in run_code({"dataset": {"source": source}}).modules
    before = digests()
    changed(f"{NAME}.data.sources.pyg_nodes")
    after = digests()
    read_alike = {"actor", "amazon", "heterophilous", "webkb", "wikipedia"}
    assert {source for source in before if after[source] != before[source]} == read_alike


def test_exemptions_are_there_and_have_reasons() -> None:
    for name, reason in EXEMPT.items():
        assert path_of(f"{NAME}.{name}") is not None, name
        assert len(reason.split()) > 2
    assert not short(code_of([f"{NAME}.pipeline.run"]).modules) & set(EXEMPT)


def test_packages_that_compute_are_told_with_their_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = code_of([f"{NAME}.pipeline.teacher", f"{TEACHERS}.gin"]).packages
    assert {"torch", "torch_geometric", "numpy", "torchmetrics", "lightning_fabric"} <= packages.keys()
    assert not {"rich", "jaxtyping", "omegaconf"} & packages.keys()
    assert "torch_geometric" not in code_of([f"{NAME}.data.encodings.structural"]).packages


def test_sources_of_the_users_own_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "own_gnn"
    (folder / "parts").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "net.py": "import math\nimport torch\nfrom . import layers\nfrom .parts.deep import width\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from own_gnn import typed\n",
        "layers.py": "def f():\n    import own_constants\n    return own_constants.SCALE\n",
        "typed.py": "",
        "unused.py": "",
        "parts/deep.py": "width = 3\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    (tmp_path / "own_constants.py").write_text("SCALE = 1\n")
    code = code_of(["own_gnn.net"])
    assert code.modules == ("own_constants", "own_gnn", "own_gnn.layers", "own_gnn.net", "own_gnn.parts.deep")
    assert code.packages.keys() == {"torch"}
    assert "own_gnn" not in sys.modules, "nothing is run"
    (tmp_path / "own_constants.py").write_text("SCALE = 2\n")
    assert code_of(["own_gnn.net"]).digest != code.digest
    (folder / "unused.py").write_text("changed")
    assert code_of(["own_gnn.net"]).digest != code.digest
    (tmp_path / "own_constants.py").write_text("SCALE = 1\n")
    assert code_of(["own_gnn.net"]).digest == code.digest


@pytest.mark.parametrize("site", ["lib/python3.11/site-packages", "dist-packages", "target"])
def test_packages_of_another_environment_on_the_path_count_by_their_version(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, single = (f"{kind}_in_{Path(site).name.replace('-', '_')}" for kind in ("package", "module"))
    folder = tmp_path / site
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("import no_end_of_modules")
    (folder / f"{single}.py").touch()
    for name in (package, single):
        (folder / f"{name}-1.2.dist-info").mkdir()
        (folder / f"{name}-1.2.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1.2\n")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / f"uses_{package}.py").write_text(f"import {package}\nimport {single}\n")
    for place in (folder, tmp_path / "own"):
        monkeypatch.syspath_prepend(place)
    code = code_of([f"uses_{package}"])
    assert code.modules == (f"uses_{package}",)
    assert code.packages == {package: "1.2", single: "1.2"}


def test_modules_that_cannot_be_read_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "imports_odd.py").write_text(
        "from no_such_thing.at_all import x\nimport os.path\nfrom json import dumps\n"
    )
    assert code_of(["imports_odd"]).packages == {}
    assert imports_of("no_such_module_anywhere") == (frozenset(), frozenset())


class Traced:
    """Collects the package's modules whose functions run, on all threads."""

    def __init__(self) -> None:
        self.files: set[str] = set()

    def __call__(self, frame: Any, event: str, _: Any) -> None:
        if event == "call":
            self.files.add(frame.f_code.co_filename)

    @property
    def modules(self) -> set[str]:
        inside = (Path(file) for file in self.files if file.startswith(f"{PACKAGE}/"))
        names = (".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in inside)
        return {name.removesuffix(".__init__") for name in names}


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, set[str], set[str]]]:
    """Of every entry of the store that is made: its kind, the modules that run meanwhile, and those that are hashed."""
    from gnn_distill.pipeline.runtime import Runtime

    seen, entry = [], Runtime.entry
    monkeypatch.setattr(code_hash.Code, "to_key", lambda code: {"code": code.digest, "modules": list(code.modules)})

    def traced_entry(
        runtime: Any, kind: str, parts: dict, made_with: dict, make: Callable, *rest: Any, **how: Any
    ) -> Any:
        def traced_make(folder: Path) -> None:
            traced = Traced()
            threading.setprofile(traced)
            sys.setprofile(traced)
            try:
                make(folder)
            finally:
                sys.setprofile(None)
                threading.setprofile(None)
            seen.append((kind, traced.modules, short(made_with["modules"])))

        return entry(runtime, kind, parts, made_with, traced_make, *rest, **how)

    monkeypatch.setattr(Runtime, "entry", traced_entry)
    return seen


RUNS = {
    "gin, all terms": {},
    "gat, edges": {"teacher": {"name": "gat"}},
    "encoded teacher": {"teacher": {"name": "gin", "rwse": 3, "lap_pe": 2}},
    "its twin": {"teacher": {"name": "gin", "control": "self"}},
    "untrained": {"teacher": {"name": "gcn", "control": "untrained"}},
    "shuffled": {"teacher": {"name": "sage", "control": "shuffled"}},
}


@pytest.mark.parametrize("name", RUNS)
def test_what_runs_while_an_entry_is_made_is_hashed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from small_tasks import make_runtime, make_task, preset

    from gnn_distill.config.schema.encoding import EncodingConfig
    from gnn_distill.config.schema.objective import AlignmentConfig, AlignmentWeights, LossConfig, LossWeights
    from gnn_distill.config.schema.run import PretrainConfig, TrainConfig, TrainerConfig
    from gnn_distill.losses.task import make_task_loss
    from gnn_distill.pipeline.encodings import stored_encodings
    from gnn_distill.pipeline.subgraphs import StoredStructure, with_distances
    from gnn_distill.pipeline.teacher import train_teacher
    from gnn_distill.pipeline.teacher_outputs import compute_teacher_outputs
    from gnn_distill.pipeline.teacher_plan import plan_teacher

    changes = RUNS[name]
    teacher = {"name": "gin", "hidden_channels": 8, "num_layers": 2, **changes.get("teacher", {})}
    config = TrainConfig(
        dataset=None,
        teacher=preset("teacher", **teacher),
        student=preset("student", "graphormer", hidden_channels=8, num_layers=2, num_heads=2, dropout=0.1),
        encoding=preset("encoding", "all", lap_pe=2, rwse=3),
        loss=LossConfig(weights=LossWeights(soft=0.5, micro=0.5, macro=0.5)),
        alignment=AlignmentConfig(weights=AlignmentWeights(node=1.0, subgraph=0.5, graph=0.5), layers=True),
        pretrain=PretrainConfig(max_epochs=2, batch_size=4),
        trainer=TrainerConfig(max_epochs=2, batch_size=4),
    )
    seen = watched(monkeypatch)
    task, runtime = make_task(edges="categorical" if "edges" in name else None), make_runtime(tmp_path)
    plan = plan_teacher(config, task)
    views = stored_encodings(runtime, task, plan.encoding)[0] if plan.encoding != EncodingConfig() else None
    model, entry = train_teacher(runtime, task, views, make_task_loss(task, config.task), plan)
    compute_teacher_outputs(runtime, task, views, model, entry, plan)
    encodings, _ = stored_encodings(runtime, task, config.encoding)
    structure = StoredStructure(runtime, task, "train")
    for source in ("ego", "walk", "cluster"):
        structure.subgraphs(source, config.alignment)
    structure.walks(4)
    structure.anchors(5)
    with_distances(runtime, task, replace(encodings, spd=None))
    with suppress(UserError):  # these are no molecules
        structure.subgraphs("fragment", config.alignment)
    assert {kind for kind, *_ in seen} == {"teachers", "signals", "encodings", "structure"}
    for kind, run, hashed in seen:
        left_out = {module for module in run - hashed if not module.startswith(tuple(EXEMPT))}
        assert run, kind
        assert not left_out, kind
