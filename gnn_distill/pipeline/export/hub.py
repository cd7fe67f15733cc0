"""A finished run's student as a model repository of Hugging Face: a folder, and its upload."""

import re
import shutil
from importlib import util
from pathlib import Path

from omegaconf import OmegaConf

from gnn_distill.errors import UserError, refuse
from gnn_distill.models.predictor import Predictor
from gnn_distill.pipeline.export.card import model_card
from gnn_distill.pipeline.export.write import new_folder
from gnn_distill.predict import CONFIG, HUB_CONFIG, HUB_SETTINGS, HUB_WEIGHTS, SETTINGS, WEIGHTS
from gnn_distill.storage.bounded import read_yaml
from gnn_distill.storage.checksums import read_json
from gnn_distill.storage.privacy import shorten_paths
from gnn_distill.storage.run_directory import REPEAT_RUN, SUMMARY, read_summary, verify_run

INSTALL = 'pip install "gnn-distill[hub]"'
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def write_repository(run: Path, predictor: Predictor, output: Path) -> None:
    """Write model.safetensors, config.json, run_config.yaml and the model card, README.md, to a new folder.

    Raises:
        UserError: if the run is not finished, or its files are damaged.
    """
    if not (run / SUMMARY).is_file():
        raise UserError(f"{run}: no finished run is here ({SUMMARY} is missing), so there are no metrics for a card.")
    verify_run(run, CONFIG)
    card = model_card(predictor, read_summary(run), read_json(run / SETTINGS, REPEAT_RUN)["student"]["name"])
    config = OmegaConf.to_container(read_yaml(run / CONFIG, run, REPEAT_RUN))
    with new_folder(output) as folder:
        shutil.copyfile(run / WEIGHTS, folder / HUB_WEIGHTS)
        shutil.copyfile(run / SETTINGS, folder / HUB_SETTINGS)
        (folder / HUB_CONFIG).write_text(OmegaConf.to_yaml(shorten_paths(config)), encoding="utf-8")
        (folder / "README.md").write_text(card, encoding="utf-8")


def check_push(repository: str) -> None:
    """Raise UserError unless a name is OWNER/NAME, and huggingface_hub is here."""
    if not REPOSITORY.fullmatch(repository):
        raise refuse("push", repository, "name a model repository, OWNER/NAME.")
    if util.find_spec("huggingface_hub") is None:
        raise UserError(f"push={repository} needs huggingface_hub, which is not installed: {INSTALL}")


def push_repository(folder: Path, repository: str, private: bool) -> str:
    """Upload the folder, to a new repository if there is none; returns its address.

    Raises:
        UserError: without a network, a token, or the right to write there. The folder stays.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Upload by gnn-distill"))
    except Exception as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"push={repository}: nothing was uploaded ({why}). {folder} is complete: check the network and your token "
            f"(hf auth login), then hf upload {repository} {folder}"
        ) from error
