"""Losses of the steps of an epoch, kept on the device until the epoch ends."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gnn_distill.data.batching import GraphBatch

SHOWN_IDS = 10


class EpochLog:
    """Loss and terms of every step, and whether the step was sound: loss and gradients finite."""

    def __init__(self) -> None:
        self._values: list[dict[str, Tensor]] = []
        self._sound: list[Tensor] = []
        self._ids: list[Tensor] = []

    def add(
        self, batch: GraphBatch, loss: Tensor, terms: Mapping[str, Tensor], weights: Mapping[str, float | Tensor],
        norms: Tensor,
    ) -> None:  # fmt: skip
        """Add a step: the total, each counted term's raw value and weight, and the norms of the gradients."""
        weighted = {f"{name}.weighted": weights[name] * value for name, value in terms.items()}
        self._values.append({"loss": loss, **terms, **weighted})
        self._sound.append(torch.isfinite(loss) & torch.isfinite(norms).all())
        self._ids.append(batch.graph_ids)

    def __len__(self) -> int:
        return len(self._sound)

    def sound(self) -> bool:
        """Whether the last step was sound. Waits for a GPU."""
        return bool(self._sound[-1])

    def not_sound(self) -> Tensor:
        """1.0 where the last step was not sound, else 0.0, still on its device: a fused optimizer skips such a step."""
        return (~self._sound[-1]).float()

    def unsound(self) -> list[int]:
        """Indices of the steps that were not sound."""
        return [step for step, sound in enumerate(torch.stack(self._sound).tolist()) if not sound]

    def all_unsound(self) -> bool:
        """Whether no step was sound."""
        return len(self.unsound()) == len(self._sound)

    def means(self) -> dict[str, float]:
        """Means over the sound steps: of a raw term over those in which it counted, of a weighted one over all.

        Therefore the weighted terms add up to the loss.
        """
        left_out = set(self.unsound())
        kept = [values for step, values in enumerate(self._values) if step not in left_out]
        names = dict.fromkeys(name for values in kept for name in values)
        sums = {name: torch.stack([values[name] for values in kept if name in values]).sum() for name in names}
        totals = torch.stack(list(sums.values())).tolist()
        counts = {name: sum(name in values for values in kept) for name in names}
        return {
            name: value / (len(kept) if name.endswith(".weighted") else counts[name])
            for name, value in zip(names, totals, strict=True)
        }

    def not_finite(self, step: int) -> list[str]:
        """The terms of a step whose values are not finite; where all are finite, the gradients."""
        bad = [f"term {name} ({float(value)})" for name, value in self._values[step].items() if _bad_term(name, value)]
        return bad or ["the gradients"]

    def where(self, step: int) -> str:
        """`step 3, graphs 5, 17, 203 and 61 more`."""
        ids = self._ids[step].tolist()
        more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
        return f"step {step + 1}, graphs {', '.join(map(str, ids[:SHOWN_IDS]))}{more}"


def _bad_term(name: str, value: Tensor) -> bool:
    return name != "loss" and not name.endswith(".weighted") and not bool(value.isfinite())
