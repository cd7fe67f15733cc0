"""Config keys of `gnn-distill export`."""

from dataclasses import dataclass

from omegaconf import MISSING

from gnn_distill.config.schema.fields import choice


@dataclass
class ExportCommand:
    """`gnn-distill export`: write a run's student in a form that runs, or is shared, without its folder."""

    run: str = MISSING
    """Folder of a finished run. `gnn-distill export RUN` sets it."""
    format: str = choice("pt2", "pt2", "onnx", "hub")
    """pt2: a program of torch.export; onnx: for onnxruntime (extra export); hub: a model repository of Hugging Face."""
    output: str | None = None
    """Folder to write; -o OUT sets it; null: RUN/export/FORMAT."""
    check: str | None = None
    """pt2, onnx: a file as for `gnn-distill predict`, on whose first 1,000 inputs the program is compared, too."""
    overwrite: bool = False
    """Replace an earlier export."""
    own_modules: bool = False
    """Import modules of your own that the run names, which executes them."""
    push: str | None = None
    """hub: upload the folder to this model repository, OWNER/NAME (extra hub); null: nothing leaves this machine."""
    private: bool = True
    """hub: make the repository a private one if it is new."""
