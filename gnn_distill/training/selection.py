"""Which weights a training returns: those of its best epoch, those of its last, or the mean of its last ones."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from gnn_distill.data.batching import GraphBatch


class Selection:
    """Keeps the weights that `select` (best, last or average) asks for; of average those of `epochs` epochs at most.

    Early stopping may end a training after any epoch, so the last ones are kept at each.
    """

    def __init__(self, select: str, epochs: int) -> None:
        self.select, self.most = select, epochs if select == "average" else 1
        self.snapshots: list[dict[str, Tensor]] = []

    def add(self, model: nn.Module, better: bool) -> None:
        """After an epoch; better: whether it is the best one so far."""
        if better or self.select != "best":
            self.snapshots = [*self.snapshots, snapshot(model)][-self.most :]

    def epochs(self, best: int, last: int) -> tuple[int, ...]:
        """The epochs whose weights are returned, where `best` is the best epoch and `last` the last."""
        return (best,) if self.select == "best" else tuple(range(last - len(self.snapshots) + 1, last + 1))

    def state_dict(self) -> dict[str, Any]:
        """The newest weights as `weights`, and those that are averaged with them as `earlier`."""
        *earlier, weights = self.snapshots or [{}]
        return {"weights": weights, "earlier": earlier}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave; states of earlier versions have no `earlier`."""
        self.snapshots = [weights for weights in (*state.get("earlier", ()), state["weights"]) if weights]

    def load_into(self, plain: nn.Module, model: nn.Module, batches: Iterable[GraphBatch]) -> None:
        """Load the selected weights into `plain`, the module inside `model`.

        A mean of weights has activations that none of its members had, narrower ones above all, so the statistics of
        batch normalisation are taken anew over the training `batches` (Izmailov et al. 2018), not averaged. Other
        buffers, and weights that are not trained, are those of the last epoch.
        """
        weights = dict(self.snapshots[-1])
        if averaged := len(self.snapshots) > 1:
            for name, parameter in plain.named_parameters(remove_duplicate=False):
                if parameter.requires_grad:
                    weights[name] = torch.stack([one[name] for one in self.snapshots]).mean(dim=0)
        plain.load_state_dict(weights)
        if averaged:
            update_bn(batches, model)


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
