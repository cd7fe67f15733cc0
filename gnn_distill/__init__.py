"""Distil the structural knowledge of graph neural networks into graph Transformers."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    # `load` brings torch with it, which takes seconds: the command line must not pay for that.
    if name == "load":
        return import_module("gnn_distill.predict").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
