"""`gnn-distill convert`: one large graph as a node folder."""

import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.schema.convert import ConvertCommand
from gnn_distill.data.reading.node_folder import open_node_folder, write_node_folder
from gnn_distill.data.reading.node_inputs import read_node_input
from gnn_distill.errors import refuse
from gnn_distill.formatting import counted
from gnn_distill.storage.files import writing
from gnn_distill.training.console import Console


def main(cfg: DictConfig) -> None:
    """Write the folder, which must not exist.

    Raises:
        UserError: for inputs that are none, and graphs that cannot be learned.
    """
    command: ConvertCommand = OmegaConf.to_object(cfg)
    path, folder, console = Path(command.input).expanduser(), Path(command.output).expanduser(), Console(sys.stdout)
    if folder.exists():
        raise refuse("output", folder, "exists already. Name a new folder.")
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    write_node_folder(folder, read_node_input(path, folder.parent), path.stem, command.undirected)
    about = open_node_folder(folder, f"output={folder}").about
    names = {"nodes": ("node",), "edges": ("edge",), "features": ("feature",), "classes": ("class", "classes")}
    counts = ", ".join(counted(about[key], *name) for key, name in names.items())
    console.say(f"{folder}: {counts} ({about['listed_edges']:,} edges listed)")
    console.say(f"Train on it: gnn-distill train dataset=node_folder dataset.path={folder}")
