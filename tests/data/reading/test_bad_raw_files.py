"""Raw files of data sets that are torn, wrong or hostile: each is refused in one message that names it."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import refusal
from scipy.sparse import csr_matrix
from torch_geometric.data import extract_zip

from gnn_distill.config.schema.data import CSLConfig, PathsConfig, PlanetoidConfig, TUDatasetConfig, ZINCConfig
from gnn_distill.data.reading.mirror import read
from gnn_distill.data.sources import csl, planetoid, tudataset, zinc
from gnn_distill.errors import UserError

COUNT, SIZE = 20, 3
EDGES = "".join(
    f"{SIZE * g + a}, {SIZE * g + b}\n" for g in range(COUNT) for a in (1, 2, 3) for b in (1, 2, 3) if a != b
)
TINY = {
    "A": EDGES,
    "graph_indicator": "".join(f"{g + 1}\n" * SIZE for g in range(COUNT)),
    "graph_labels": "".join(f"{g % 2}\n" for g in range(COUNT)),
    "node_labels": "0\n1\n1\n" * COUNT,
}
"""Twenty triangles, as a TU data set."""

# Of a TU data set what differs from TINY (None: no such file), and what the message must hold.
BAD = {
    "edges end in a number": ({"A": EDGES[:-1] + ".5\n"}, "/raw/TINY_A.txt, line 120: '59.5' is not a whole number."),
    "edges are words": ({"A": f"x, y\n{EDGES}"}, "{folder}/raw/TINY_A.txt, line 1: 'x' is not a whole number."),
    "three columns of edges": ({"A": EDGES.replace("\n", ", 7\n")}, "TINY_A.txt: expected two numbers per line."),
    "a blank line": ({"A": EDGES.replace("5, 6\n", "5, 6\n\n")}, "TINY_A.txt, line 11: '' is not a whole number."),
    "decimal commas": (
        {"node_attributes": "0,5;1,5\n" * 60}, "TINY_node_attributes.txt, line 1: semicolons and commas. Separate",
    ),
    "one infinite attribute": ({"edge_attributes": "0.5\n" * 119 + "inf\n"}, "line 120: 'inf' is not a finite number."),
    "no edges at all": ({"A": ""}, "{folder}/raw/TINY_A.txt: expected two numbers per line. Restore the file."),
    "node 0": ({"A": f"{EDGES}0, 1\n"}, "{folder}/raw/TINY_A.txt, line 121: only nodes 1 to 60"),
    "a node too many": ({"A": f"{EDGES}1, 61\n"}, "TINY_A.txt, line 121: only nodes 1 to 60 exist."),
    "edge between graphs": ({"A": f"{EDGES}1, 60\n"}, "TINY_A.txt, line 121: the two nodes belong to different graph"),
    "bytes": ({"A": b"\x00\xff\xfe" * 50}, "TINY_A.txt: is not UTF-8 text (invalid start byte at byte 1)."),
    "indicator cut": ({"graph_indicator": TINY["graph_indicator"][:-6]}, "lines 115, 116, 117 and 3 more: only"),
    "indicator too long": ({"graph_indicator": TINY["graph_indicator"] + "20\n"}, "has 60 lines for 61 nodes"),
    "indicator empty": ({"graph_indicator": ""}, "TINY_graph_indicator.txt: expected one number per line"),
    "indicator shuffled": ({"graph_indicator": "2\n1\n" * 30}, "ascending from 1. Restore the file."),
    "indicator with a gap": (
        {"graph_indicator": TINY["graph_indicator"].replace("20\n", "21\n")}, "line 58: the",
    ),
    "graphs without nodes": (
        {"graph_indicator": "".join(f"{g + 1 + (g == 4)}\n" * SIZE for g in range(COUNT))}, "line 13: the",
    ),
    "labels cut": ({"graph_labels": "0\n1\n"}, "TINY_graph_labels.txt has 2 lines for 20 graphs: the files do not"),
    "labels empty": ({"graph_labels": ""}, "TINY_graph_labels.txt has 0 lines for 20 graphs"),
    "labels are NaN": ({"graph_labels": "nan\n" * COUNT}, "line 1: 'nan' is not a whole number; line 2: 'nan'"),
    "no labels": ({"graph_labels": None}, "TINY_graph_labels.txt is not in"),
    "one class": ({"graph_labels": "1\n" * COUNT}, "is absent from the training split: it cannot be learned."),
    "node labels cut": ({"node_labels": "0\n1\n"}, "TINY_node_labels.txt has 2 lines for 60 nodes"),
    "attributes are NaN": ({"node_attributes": "nan, 1\n" * 60}, "and 57 more lines. Fix"),
    "attributes ragged": ({"node_attributes": "1, 2\n1\n" * 30}, "line 2: 1 numbers, where line 1 has 2; line 4:"),
    "no indicator": ({"graph_indicator": None}, "Required: TINY_A.txt, TINY_graph_indicator.txt, searched in"),
}  # fmt: skip


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PathsConfig:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    monkeypatch.setattr("gnn_distill.data.reading.mirror._unreachable", lambda url: "no network")
    (tmp_path / "mirror").mkdir()
    return PathsConfig(data=str(tmp_path / "data"), mirror=str(tmp_path / "mirror"))


def fill(paths: PathsConfig, folder: str, files: dict[str, str | bytes | None]) -> Path:
    raw = Path(paths.mirror, folder, "raw")
    raw.mkdir(parents=True)
    for name, content in files.items():
        if content is not None:
            (raw / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return raw


def load_tiny(paths: PathsConfig, changes: dict[str, str | bytes | None]) -> object:
    fill(paths, "TUDataset/TINY", {f"TINY_{name}.txt": text for name, text in (TINY | changes).items()})
    return tudataset.load(TUDatasetConfig(name="TINY", folds=5), paths)


@pytest.mark.parametrize("case", BAD)
def test_files_that_cannot_be_right(
    case: str, paths: PathsConfig, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, expected = BAD[case]
    fill(paths, "TUDataset/TINY", {f"TINY_{name}.txt": text for name, text in (TINY | changes).items()})
    config = TUDatasetConfig(name="TINY", folds=5)
    message = refusal(lambda: tudataset.load(config, paths), capsys, monkeypatch)
    assert expected.replace("{folder}", f"{paths.mirror}/TUDataset/TINY") in message
    assert ".partial-" not in message


FORMS = {
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "semicolons": lambda text: text.replace(", ", "; ").encode(),
    "tabs": lambda text: text.replace(", ", "\t").encode(),
    "Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "no line break at the end": lambda text: text.rstrip("\n").encode(),
    "blank lines at the end": lambda text: f"{text}\n  \n".encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_text_that_say_the_same(form: str, paths: PathsConfig, tmp_path: Path) -> None:
    expected = load_tiny(paths, {}).fingerprint
    other = PathsConfig(data=str(tmp_path / "other"), mirror=str(tmp_path / "other mirror"))
    assert load_tiny(other, {name: FORMS[form](text) for name, text in TINY.items()}).fingerprint == expected


def test_graphs_without_edges_at_the_end_are_kept(paths: PathsConfig) -> None:
    task = load_tiny(paths, {"A": EDGES[: EDGES.index("55, ")]})
    assert task.graphs.num_edges.tolist() == [6] * 18 + [0] * 2
    assert "2 of 20 graphs (ids 18, 19) have no edges" in task.notices[0]


class Bomb:
    """A pickle that makes a folder when it is read."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ("was_here",)


CORA = {
    **dict.fromkeys(("x", "tx", "allx"), csr_matrix(np.eye(4))),
    **dict.fromkeys(("y", "ty", "ally"), np.eye(4)),
    "graph": {0: [1], 1: [0]},
}
MOLECULE = {"atom_type": torch.ones(2), "bond_type": torch.eye(2), "logP_SA_cycle_normalized": torch.ones(1)}


def pickles_of_cora(bad: str) -> dict[str, bytes]:
    held = {f"ind.cora.{part}": Bomb() if part == bad else value for part, value in CORA.items()}
    return {name: pickle.dumps(value, 2) for name, value in held.items()} | {"ind.cora.test.index": b"4\n5\n6\n7\n"}


def pickles_of_zinc(bad: str) -> dict[str, bytes]:
    held = {f"{part}.pickle": [MOLECULE, Bomb()] if part == bad else [MOLECULE] for part in zinc.PARTS}
    return {name: pickle.dumps(value) for name, value in held.items()} | {f"{part}.index": b"0," for part in zinc.PARTS}


CSL = {csl.GRAPHS: pickle.dumps([Bomb()]), csl.LABELS: b"", **dict.fromkeys(csl.FOLDS, b"")}
BOMBS = {
    "cora allx": ("Planetoid/Cora", pickles_of_cora("allx"), planetoid, PlanetoidConfig(name="Cora")),
    "cora graph": ("Planetoid/Cora", pickles_of_cora("graph"), planetoid, PlanetoidConfig(name="Cora")),
    "zinc": ("ZINC", pickles_of_zinc("val"), zinc, ZINCConfig()),
    "csl": ("GNNBenchmarkDataset/CSL", CSL, csl, CSLConfig()),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_among_raw_files_does_not_go_off(
    case: str, paths: PathsConfig, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    folder, files, source, config = BOMBS[case]
    raw = fill(paths, folder, files)
    message = refusal(lambda: source.load(config, paths), capsys, monkeypatch)
    assert message.startswith(str(raw))
    assert "mkdir, so it is refused" in message
    assert not Path("was_here").exists()


def test_pickles_of_tensors_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(pickle.dumps([MOLECULE]))
    (read_back,) = zinc.read_pickle(tmp_path / "file", zinc.TENSORS)
    assert read_back["bond_type"].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("file", ["data.pt", "pre_transform.pt", "pre_filter.pt"])
def test_a_bomb_among_processed_files_does_not_go_off(
    file: str, paths: PathsConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    load_tiny(paths, {})
    (processed,) = Path(paths.data).glob("TUDataset/TINY/processed*")
    torch.save(Bomb(), processed / file)
    with pytest.raises(UserError, match=f"{processed}: the processed files cannot be read .*Delete that folder"):
        tudataset.load(TUDatasetConfig(name="TINY", folds=5), paths)
    assert not Path("was_here").exists()


def test_an_archive_stays_in_its_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("../up.txt", "/root.txt", "a/../../../up.txt", "C:\\up.txt", "good/file.txt"):
            archive.writestr(name, "text")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc")
    extract_zip(str(tmp_path / "set.zip"), str(tmp_path / "inside"), log=False)
    assert {path.name for path in tmp_path.iterdir()} == {"set.zip", "inside"}
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert (tmp_path / "inside" / "good" / "file.txt").read_text() == "text"


def test_links_of_a_mirror_are_copied_as_files(paths: PathsConfig, tmp_path: Path) -> None:
    secret = tmp_path / "elsewhere.txt"
    secret.write_text("1")
    raw = fill(paths, "Class/set", {"a.txt": "a"})
    (raw / "b.txt").symlink_to(secret)
    read(lambda root: None, "Class/set", ["a.txt", "b.txt"], "", paths)
    copied = Path(paths.data, "Class/set/raw/b.txt")
    copied.write_text("2")
    assert not copied.is_symlink()
    assert secret.read_text() == "1"
