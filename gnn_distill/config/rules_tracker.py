"""Rules of the section `tracker`, which several commands have."""

from importlib.util import find_spec
from urllib.parse import urlsplit

from omegaconf import DictConfig

from gnn_distill.config.plugins import check_module_path, names_of_modules
from gnn_distill.errors import UserError, refuse, suggest


def check_tracker(tracker: DictConfig) -> None:
    """Raise UserError unless the tracker exists, its package is installed, and no setting holds a password."""
    name, known = tracker.name, names_of_modules("tracker.name")
    if "." in name:
        check_module_path("tracker.name", name)
    elif name not in (*known, "none"):
        raise refuse(
            "tracker.name", name, f"unknown choice. Choices: {', '.join([*known, 'none'])}.{suggest(name, known)}"
        )
    elif name in known and find_spec(name) is None:  # file, package and extra have one name
        raise refuse(
            "tracker",
            name,
            f"its package is not installed. pip install 'gnn-distill[{name}]', or in a checkout: "
            f"pip install -c constraints.txt -e '.[{name}]'",
        )
    if tracker.kwargs and "." not in name:
        raise refuse("tracker.kwargs", tracker.kwargs, f"tracker={name} does not read it.")
    if tracker.uri is not None and urlsplit(tracker.uri).password is not None:
        raise UserError(
            "tracker.uri contains a password, and settings are kept and shown. Leave it out, and set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment."
        )
