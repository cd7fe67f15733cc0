"""What is derived from a batch is derived once while it comes again, and anew for any other."""

from objective_cases import make_batch

from gnn_distill.losses.graph_lookups import LastValue


def test_only_the_same_batch_is_remembered() -> None:
    derived = []
    recent = LastValue(lambda batch: derived.append(batch.num_graphs) or batch.num_graphs)
    one, other = make_batch(graphs=(0, 1)), make_batch(graphs=(0, 1, 2))
    assert [recent(batch) for batch in (one, one, other, other, one)] == [2, 2, 3, 3, 2]
    assert derived == [2, 3, 2]
    del one
    assert recent(make_batch(graphs=(3,))) == 1  # wherever in memory it lies
