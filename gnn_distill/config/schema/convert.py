"""Config keys of `gnn-distill convert`."""

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class ConvertCommand:
    """`gnn-distill convert`: write one large graph whose nodes have labels as a folder of memory maps."""

    input: str = MISSING
    """A .pt of one PyG graph, a .npz of x, edge_index, y and masks, or a folder in the layout of OGB's node sets."""
    output: str = MISSING
    """The folder to write, for dataset=node_folder dataset.path=FOLDER; -o FOLDER sets it."""
    undirected: bool = True
    """Add the reverse of every edge, as most of the literature does."""
