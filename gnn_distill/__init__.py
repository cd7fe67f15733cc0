"""Distil the structural knowledge of graph neural networks into graph Transformers.

In Python: `train` makes a run as `gnn-distill train` does, `distill` one with models and graphs at hand; `Run` holds
the results of a run, `load` its student alone. docs/python.md shows each in use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnn_distill.api.distilling import distill
    from gnn_distill.api.results import Run
    from gnn_distill.api.training import train
    from gnn_distill.predict import load

__version__ = "0.1.0"
# These bring torch with them, which takes seconds: the command line must not pay for that.
_LATER = {"Run": "api.results", "distill": "api.distilling", "load": "predict", "train": "api.training"}
__all__ = ["Run", "__version__", "distill", "load", "train"]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"gnn_distill.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
