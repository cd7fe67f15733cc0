"""How a model is trained: its optimizer, its batches, and when it ends."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from gnn_distill.config.capabilities import Capabilities, capabilities_of
from gnn_distill.config.schema.run import OptimConfig, TrainConfig, TrainerConfig
from gnn_distill.data.loaders import Loader, make_loader
from gnn_distill.data.task import GraphTask
from gnn_distill.training.part_loader import PartLoader, Sampling, sampling_of

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings


@dataclass(frozen=True)
class Recipe:
    """What training reads of the settings, for a teacher or a student."""

    optim: OptimConfig
    max_epochs: int
    patience: int
    """Epochs without a better one after which training ends; 0: never."""
    batch_size: int
    """Graphs per batch."""
    batch_nodes: int
    """Nodes per batch of one large graph; 0: all of them."""
    max_pairs: int
    """Padded pairs of nodes per batch."""
    limit_batches: int
    """Batches per epoch; 0: all of them."""
    seed: int
    """Of the initial weights and the order of the batches."""
    nonfinite: str
    """A step whose loss or gradient is not finite: stop (an error) or skip."""
    stop_at: float | None = None
    """Primary metric on validation at which training ends."""
    select: str = "best"
    """The weights that are kept: those of the best epoch on validation, of the last, or the mean of the last ones."""
    average_epochs: int = 3
    """Of how many epochs, with select=average."""
    taught: str = "train"
    """What is in a batch: examples with a training label (train), all that training sees (all), or, at graph level,
    those of validation and test, too (transductive)."""
    sampling: Sampling | None = None
    """How one large graph is read in parts; None: as a whole, or it is many graphs."""
    repeats_shapes: bool = False
    """Whether batches have so few shapes that a kernel for each pays."""
    padded: bool = True
    """Whether batches are of graphs of like size, for a model that forms all pairs of the nodes of padded graphs."""
    log_gradients: bool = False
    """Whether every epoch's row has the gradients of all terms in its first step."""

    def split(self, parts: int) -> "Recipe":
        """The same with batches of 1/`parts` of their size."""
        return replace(
            self,
            batch_size=-(-self.batch_size // parts),
            batch_nodes=self.batch_nodes // parts,
            max_pairs=self.max_pairs // parts,
            sampling=self.sampling and self.sampling.split(parts),
        )

    def trainer(self, trainer: TrainerConfig) -> TrainerConfig:
        """The settings by which a model of this recipe is evaluated, where the others are those of `trainer`."""
        sampler = self.sampling.sampler if self.sampling else "full"
        return replace(trainer, max_pairs=self.max_pairs, sampler=sampler)

    def loader(self, task: GraphTask, encodings: "StructuralEncodings | None", device: torch.device) -> Loader:
        """The batches of a task, or a process's share of them, on `device`.

        Raises UserError where one graph alone exceeds `max_pairs`.
        """
        if self.sampling:
            return PartLoader(task, encodings, self.sampling, self.seed, self.limit_batches, self.taught, device)
        return make_loader(
            task,
            encodings,
            batch_size=self.batch_size,
            max_pairs=self.max_pairs,
            seed=self.seed,
            limit_batches=self.limit_batches,
            batch_nodes=self.batch_nodes,
            taught=self.taught,
            device=device,
            shared=True,
            padded=self.padded,
        )


def student_recipe(config: TrainConfig, task: GraphTask) -> Recipe:
    """The recipe of a student that learns from labels alone."""
    trainer, can = config.trainer, capabilities_of(config.student.name)
    return Recipe(
        optim=config.optim,
        max_epochs=trainer.max_epochs,
        patience=trainer.patience,
        batch_size=trainer.batch_size,
        batch_nodes=trainer.batch_nodes,
        max_pairs=trainer.max_pairs,
        limit_batches=config.debug.limit_batches,
        seed=config.seed,
        nonfinite=trainer.nonfinite,
        stop_at=trainer.stop_at,
        select=trainer.select,
        average_epochs=trainer.average_epochs,
        sampling=sampling_of(trainer),
        repeats_shapes=shapes_repeat(task, can, trainer.sampler),
        padded=can.dense_pairs,
    )


def shapes_repeat(task: GraphTask, can: Capabilities, sampler: str = "full") -> bool:
    """Whether batches have so few shapes that a kernel for each pays."""
    if sampler == "full":
        return not task.split_by_graph or can.few_shapes
    return can.reads_hops and sampler == "neighbor"
