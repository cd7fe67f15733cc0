"""Which graphs are in which batch of an epoch."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from gnn_distill.data.budget import by_size, cut_to_budget

OF_LIKE_SIZE = 16
"""Batches in a window, where a batch is padded to its largest graph."""


class BatchSampler:
    """Batches of similarly sized graphs: every graph once per epoch, in other batches in every epoch.

    The shuffled graphs are cut into windows of `window` batches; within one they are sorted by size, to reduce
    padding. Batches are as equal in length as possible, then cut to the budget, and shuffled. The result depends only
    on (seed, epoch). `window=1` gives plain random batches. Before the cut, every batch has its share of `ids` and of
    `others`, as equal as possible.
    """

    def __init__(
        self,
        sizes: Int[Tensor, " graphs"],
        batch_size: int,
        max_pairs: int,
        seed: int,
        ids: Int[Tensor, " chosen"] | None = None,
        window: int = OF_LIKE_SIZE,
        others: Int[Tensor, " chosen"] | None = None,
    ):
        self.sizes, self.batch_size, self.max_pairs = sizes, batch_size, max_pairs
        self.seed, self.window = seed, window
        ids = torch.arange(len(sizes)) if ids is None else ids
        self.kinds = (ids,) if others is None else (ids, others)

    def epoch(self, epoch: int) -> list[Int[Tensor, " graphs"]]:
        """Ids of the graphs of each batch."""
        random = np.random.default_rng((self.seed, epoch))
        count, batches = -(-sum(map(len, self.kinds)) // self.batch_size), []
        if not count:
            return []
        shuffled = [ids[torch.from_numpy(random.permutation(len(ids)))].tensor_split(count) for ids in self.kinds]
        # The larger parts of one kind are combined with the smaller of the other, so that batches are equal.
        shuffled[1:] = [parts[::-1] for parts in shuffled[1:]]
        for start in range(0, count, self.window):
            ordered = (self._ordered(parts[start : start + self.window]) for parts in shuffled)
            for parts in zip(*ordered, strict=True):
                batches.extend(cut_to_budget(by_size(torch.cat(parts), self.sizes), self.sizes, self.max_pairs))
        return [batches[i] for i in random.permutation(len(batches))]

    def _ordered(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """The same ids in parts of the same lengths, sorted by size over all of them."""
        return by_size(torch.cat(list(parts)), self.sizes).split([len(part) for part in parts])
