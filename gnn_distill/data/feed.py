"""The batches of one task, for one stage of training."""

from collections.abc import Iterator

from gnn_distill.data.batching import BatchSampler, StructureBatch, check_budget, collate, evaluation_batches
from gnn_distill.data.structure import StructuralEncodings
from gnn_distill.data.task import GraphTask


class Feed:
    """Training batches, drawn anew every epoch, and fixed batches of any split.

    Raises UserError where one graph alone exceeds the budget of `max_pairs` padded node pairs.
    """

    def __init__(
        self,
        task: GraphTask,
        encodings: StructuralEncodings | None,
        batch_size: int,
        max_pairs: int,
        seed: int,
        limit_batches: int = 0,
    ) -> None:
        self.task, self.encodings = task, encodings
        self.batch_size, self.max_pairs, self.limit_batches = batch_size, max_pairs, limit_batches
        self._sizes = task.graphs.num_nodes
        check_budget(self._sizes, max_pairs)
        self._sampler = BatchSampler(self._sizes, batch_size, max_pairs, seed, ids=task.splits.train)

    def train(self, epoch: int) -> Iterator[tuple[float, StructureBatch]]:
        """The batches of an epoch, each with the share of the epoch that lies before it."""
        chosen = self._sampler.epoch(epoch)
        chosen = chosen[: self.limit_batches or None]
        for index, ids in enumerate(chosen):
            yield index / len(chosen), collate(self.task.graphs, self.encodings, ids)

    def fixed(self, split: str) -> Iterator[StructureBatch]:
        """All graphs of a split, sorted by size."""
        ids = getattr(self.task.splits, split)
        chosen = evaluation_batches(self._sizes, ids, 2 * self.batch_size, self.max_pairs)
        for some in chosen[: self.limit_batches or None]:
            yield collate(self.task.graphs, self.encodings, some)
