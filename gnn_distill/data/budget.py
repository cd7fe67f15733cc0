"""Which graphs make a batch: of similar sizes, and within a budget of padded node pairs."""

from collections.abc import Callable, Iterator

from jaxtyping import Int
from torch import Tensor

from gnn_distill.errors import UserError
from gnn_distill.formatting import counted


def evaluation_batches(
    sizes: Int[Tensor, " graphs"], ids: Int[Tensor, " chosen"], batch_size: int, max_pairs: int
) -> list[Int[Tensor, " graphs"]]:
    """The graphs `ids` sorted by size and cut into batches within the budget; the same on every call."""
    parts = _equal_parts(by_size(ids, sizes), batch_size)
    return [batch for part in parts for batch in cut_to_budget(part, sizes, max_pairs)]


def check_budget(
    sizes: Int[Tensor, " graphs"],
    max_pairs: int,
    otherwise: str = "leave such graphs out of the data",
    called: Callable[[int], str] = lambda graph: f"graph {graph}",
) -> None:
    """Raise UserError if a single graph has more node pairs than a batch may have.

    otherwise: the advice if memory does not suffice for them. called: the name of a graph in messages.
    """
    too_large = (sizes * sizes > max_pairs).nonzero().squeeze(1)
    if len(too_large):
        graph = int(too_large[sizes[too_large].argmax()])
        nodes = int(sizes[graph])
        raise UserError(
            f"trainer.max_pairs={max_pairs} is too small for {len(too_large)} of {counted(len(sizes), 'graph')}: the "
            f"largest, {called(graph)}, has {nodes} nodes, so {nodes * nodes} node pairs. Set "
            f"trainer.max_pairs={nodes * nodes} or more if memory allows, or {otherwise}."
        )


def by_size(ids: Tensor, sizes: Tensor) -> Tensor:
    """The ids sorted by the size of their graphs; ties keep their order."""
    return ids[sizes[ids].sort(stable=True).indices]


def _equal_parts(ids: Tensor, most: int) -> list[Tensor]:
    # Equal parts, not full ones and a rest: a batch of one small graph would harm batch normalisation.
    return list(ids.tensor_split(-(-len(ids) // most))) if len(ids) else []


def cut_to_budget(ids: Tensor, sizes: Tensor, max_pairs: int) -> Iterator[Tensor]:
    """Cut ids that are sorted by size, so that no part has more than `max_pairs` padded pairs."""
    while len(ids) * (pairs := int(sizes[ids[-1]]) ** 2) > max_pairs and len(ids) > 1:
        fitting = max(1, max_pairs // pairs)
        yield ids[-fitting:]
        ids = ids[:-fitting]
    yield ids
