"""Batches on their way to a device, and what is found in them on the host."""

from dataclasses import replace

import pytest
import torch
from small_tasks import encode, make_graphs, make_spec, preset

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import GraphBatch, Share, collate
from gnn_distill.data.derived import Derived
from gnn_distill.data.packed import map_tensors
from gnn_distill.data.transfer import ALIGNED, OneBuffer, sent
from gnn_distill.losses.term import TeacherRows


@pytest.fixture
def batch() -> GraphBatch:
    graphs = make_graphs(make_spec(edges="categorical"))
    patches = preset("student", "graphvit", patches="bisection", num_patches=2)
    made = collate(graphs, encode(graphs, EncodingConfig(spd=True, rwse=3), patches), torch.tensor([4, 0, 7]))
    return replace(made, share=Share(torch.tensor([4, 0, 7]), False, lambda: made))


def tensors_of(record: object) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    map_tensors(record, lambda tensor: found.append(tensor) or tensor)
    return found


def test_one_buffer_holds_all_tensors_of_a_batch_and_its_rows(batch: GraphBatch) -> None:
    rows = TeacherRows(torch.rand(3, 2), {1: torch.rand(5, 4).half(), 2: torch.rand(0, 4)}, None)
    walk, item = batch.row_walk, (0.5, batch, rows)
    whole = OneBuffer(item)
    copy = whole.buffer.clone()
    share, there, found = whole.within(copy)
    assert share == 0.5
    assert len(tensors_of(item)) > 25
    for one, other in zip(tensors_of(item), tensors_of((share, there, found)), strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype
        assert other.untyped_storage().data_ptr() == copy.untyped_storage().data_ptr()
        assert other.storage_offset() * other.element_size() % ALIGNED == 0
    assert there.share.collate is batch.share.collate
    assert torch.equal(there.row_walk.rows.values, walk.rows.values)
    assert there.row_walk.rows.values is not walk.rows.values


def test_items_for_a_device_that_is_none_of_cuda_are_moved(batch: GraphBatch) -> None:
    ((share, there, none),) = sent(iter([(0.5, batch, None)]), torch.device("meta"))
    assert (share, none) == (0.5, None)
    assert {tensor.device.type for tensor in tensors_of(there)} == {"meta"}
    assert next(sent(iter([batch]), torch.device("cpu"))) is batch


def test_what_is_found_in_a_batch_is_found_once_and_goes_with_it(batch: GraphBatch) -> None:
    asked: list[int] = []
    edges = Derived("edges", lambda given: asked.append(given.num_graphs) or (given.edge_index.size(1), given.ptr))
    edges(batch)
    assert edges(batch)[0] == batch.edge_index.size(1)
    assert asked == [3]
    assert edges(batch.to("meta"))[1].device.type == "meta"
    assert asked == [3]
    changed = replace(batch, edge_index=batch.edge_index[:, :4])
    assert edges(changed)[0] == 4
    assert Derived("edges", edges.find)(batch) is not edges(batch)
