"""What holds for one loss or another alone: minima that states cannot reach, corners, and helpers."""

import math

import pair_reference
import pytest
import torch
from small_tasks import make_spec
from worlds import make_world, padded, states

from gnn_distill.losses import alignment, attention, contrast, macro, micro
from gnn_distill.losses.projectors import median_distance
from gnn_distill.losses.published import states as baselines
from gnn_distill.losses.published import structure as structure_baselines
from gnn_distill.models.layers.heads import Output
from gnn_distill.models.layers.padding import pad
from gnn_distill.models.layers.standardise import Moments, Standardise, Whiten
from gnn_distill.models.reused_head import ReusedHead

WORLD = make_world()
BATCH = WORLD.batch
NODES = len(BATCH.x)
MESSAGES = attention.message_matrix(BATCH.edge_dense_index, BATCH.mask)


def targets() -> dict[str, torch.Tensor]:
    near = attention.hop_support(MESSAGES, BATCH.mask, 2)
    weights = (WORLD.edge_attention, WORLD.self_attention)
    return {
        "propagation": attention.propagation_target(MESSAGES, BATCH.mask, 2).double(),
        "gat": attention.gat_target(BATCH.edge_dense_index, *weights, BATCH.dense_index, BATCH.mask, 2),
        "cosine": attention.cosine_target(pad(states(1, NODES), BATCH.dense_index, BATCH.mask.shape), near, 0.2),
    }


@pytest.mark.parametrize("name", ["propagation", "gat", "cosine"])
@pytest.mark.parametrize("shape", [False, True])
def test_attention_equal_to_its_target_costs_nothing(name: str, shape: bool) -> None:
    target, near = targets()[name], attention.hop_support(MESSAGES, BATCH.mask, 2)
    torch.testing.assert_close(target.sum(dim=-1), BATCH.mask.double())
    assert not target[~near].any()
    logits = target.log().clamp(min=torch.finfo(target.dtype).min).unsqueeze(1).repeat(1, 2, 1, 1).requires_grad_()
    value = attention.attention_distillation(logits, target, BATCH.mask, near if shape else None)
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.item() == pytest.approx(0, abs=1e-7)
    assert gradient.abs().max() < 1e-7


def test_mass_is_taught_and_shape_is_not() -> None:
    """Attention spread evenly over all nodes has the right shape, and mass where none belongs."""
    target = attention.propagation_target(MESSAGES, BATCH.mask, 1)
    near = attention.hop_support(MESSAGES, BATCH.mask, 1)
    logits = torch.zeros(*MESSAGES.shape).masked_fill(~BATCH.mask[:, None, :], torch.finfo(torch.float32).min)[:, None]
    assert float(attention.attention_distillation(logits, target, BATCH.mask, near)) == pytest.approx(0, abs=1e-6)
    expected = [
        math.log(size / int(near[graph, node].sum())) for graph, size in enumerate(WORLD.sizes) for node in range(size)
    ]
    mass = attention.attention_distillation(logits, target, BATCH.mask)
    assert float(mass) == pytest.approx(sum(expected) / NODES, rel=1e-5)


def test_some_queries_and_some_heads() -> None:
    logits, target = states(1, 7 * 3 * 9, 9).view(7, 3, 9, 9), targets()["gat"]
    some = torch.tensor([4, 0, 7])
    args = logits[:, :, some], target[:, some], BATCH.mask[:, some]
    value = attention.attention_distillation(*args, heads=2)
    kept = torch.zeros_like(BATCH.mask).index_fill(1, some, True) & BATCH.mask
    assert float(value) == pytest.approx(float(attention.attention_distillation(logits[:, :2], target, kept)))


@pytest.mark.parametrize("shape", [False, True])
def test_padding_in_half_precision_is_finite(shape: bool) -> None:
    """Where the lowest number that a mask may hold has become -inf."""
    target, near = targets()["gat"], attention.hop_support(MESSAGES, BATCH.mask, 2)
    logits = states(1, MESSAGES.numel(), 1).view(MESSAGES.shape)[:, None].float()
    masked = logits.masked_fill(~BATCH.mask[:, None, None, :], torch.finfo(torch.float32).min)
    half = masked.bfloat16().requires_grad_()
    assert half.isinf().any()
    value = attention.attention_distillation(half, target, BATCH.mask, near if shape else None)
    value.backward()
    assert half.grad.isfinite().all()
    expected = attention.attention_distillation(masked, target, BATCH.mask, near if shape else None)
    assert value.item() == pytest.approx(expected.item(), rel=0.02)


def test_a_node_that_no_message_reaches_attends_to_itself() -> None:
    nothing = torch.zeros(BATCH.edge_index.size(1)), torch.zeros(NODES)
    target = attention.gat_target(BATCH.edge_dense_index, *nothing, BATCH.dense_index, BATCH.mask)
    torch.testing.assert_close(target, torch.diag_embed(BATCH.mask.float()))


@pytest.mark.parametrize("edges", [torch.empty(2, 0, dtype=torch.long), torch.tensor([[0, 1, 2], [1, 0, 2]])])
def test_terms_on_neighbours_without_enough_of_them_are_zero(edges: torch.Tensor) -> None:
    student, teacher = states(1, 3).requires_grad_(), states(2, 3)
    value = micro.neighbourhood_relation(student, teacher, edges) + structure_baselines.lsp(student, teacher, edges)
    if not edges.numel():
        value = value + micro.edge_difference(student, teacher, edges)
    value.backward()
    assert value.item() == 0


@pytest.mark.parametrize(
    "loss",
    [
        macro.graph_relation_cosine,
        macro.graph_relation_pkt,
        alignment.align_cka,
        baselines.rkd_distance,
        baselines.rkd_angle,
    ],
)
def test_one_row_has_no_relation(loss) -> None:
    student = states(1, 1).requires_grad_()
    value = loss(student, states(2, 1))
    value.backward()
    assert value.item() == 0
    assert not student.grad.any()


def test_profiles_need_a_pair() -> None:
    lonely = torch.ones(2, 1, dtype=torch.bool)
    spd = torch.zeros(2, 1, 1, dtype=torch.uint8)
    assert float(macro.distance_profile(states(1, 2)[:, None], states(2, 2)[:, None], spd, lonely)) == 0


def test_an_error_that_all_nodes_share_is_no_difference() -> None:
    teacher = states(1, NODES)
    assert float(micro.edge_difference(teacher + 3, teacher, WORLD.edge_index)) == pytest.approx(0, abs=1e-12)


def test_mmd_does_not_ask_which_node_is_which() -> None:
    one = torch.ones(1, NODES, dtype=torch.bool)
    teacher = states(1, NODES)[None]
    sigma = torch.tensor([0.5, 2.0])
    assert float(macro.distribution(teacher.flip(1), teacher, one, sigma)) == pytest.approx(0, abs=1e-12)
    assert macro.distribution(teacher, teacher, one, torch.zeros(1)).isfinite()


def test_cka_knows_neither_rotation_nor_scale_nor_width() -> None:
    teacher = states(1, 30)
    rotation = torch.linalg.qr(states(2, 6, 6)).Q[:4]
    assert float(alignment.align_cka(5 * teacher @ rotation + 7, teacher)) == pytest.approx(0, abs=1e-9)
    constant = torch.ones(30, 4, dtype=torch.float64, requires_grad=True)
    skipped = alignment.align_cka(constant, teacher)
    skipped.backward()
    assert skipped.item() == 0
    assert not constant.grad.any()


def test_gsp_in_blocks_is_gsp_at_once() -> None:
    s, t = states(1, 50), states(2, 50)
    for kernel in ("polynomial", "rbf"):
        whole, blocks = (structure_baselines.gsp(s, t, kernel, block_pairs=pairs) for pairs in (1 << 20, 120))
        assert float(blocks) == pytest.approx(float(whole), rel=1e-12)


def test_gsp_never_keeps_all_pairs() -> None:
    sizes = []

    def keep(value: torch.Tensor) -> torch.Tensor:
        sizes.append(value.numel())
        return value

    student, teacher = states(1, 50).requires_grad_(), states(2, 50)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        structure_baselines.gsp(student, teacher, "rbf", block_pairs=500).backward()
    assert max(sizes) <= 500


def test_rows_that_coincide_have_no_angle() -> None:
    student, teacher = states(1, 3).repeat(2, 1), states(2, 6)
    expected = pair_reference.rkd_angle(student, teacher)
    assert float(baselines.rkd_angle(student, teacher)) == pytest.approx(expected, rel=1e-6)


def test_rows_that_coincide_do_not_blow_up_relations() -> None:
    twice = states(1, 6).repeat(2, 1).requires_grad_()
    (baselines.rkd_distance(twice, states(2, 12)) + baselines.rkd_angle(twice, states(2, 12))).backward()
    assert twice.grad.abs().max() < 10


def test_median_distance_is_within_graphs() -> None:
    ptr = torch.tensor([0, 1, 3, 6])
    values = torch.tensor([[1e6], [0.0], [2.0], [1e3], [1e3 + 2], [1e3 + 4]])
    assert median_distance(values, ptr) == pytest.approx(2.0)
    assert median_distance(torch.zeros(6, 1), ptr) == pytest.approx(1e-6)
    assert median_distance(values[:2], torch.tensor([0, 1, 2])) == 1.0
    assert macro.bandwidths(2.0).tolist() == [0.5, 1, 2, 4, 8]


def test_padding_puts_rows_in_their_places() -> None:
    rows = states(1, NODES)
    for batch in (BATCH, padded(WORLD).batch):
        dense = pad(rows, batch.dense_index, batch.mask.shape)
        torch.testing.assert_close(dense[batch.mask], rows)
        assert not dense[~batch.mask].any()


def test_restored_states_are_the_teachers_own() -> None:
    raw = states(1, 20).float() * torch.tensor([1.0, 10, 0, 3]) + 5
    standardise = Standardise(Moments(raw.mean(0), raw.std(0, correction=0)))
    assert standardise.channels == 3
    torch.testing.assert_close(standardise.restore(standardise(raw)), raw)


def test_whitened_states_are_uncorrelated_and_of_one_size() -> None:
    raw = states(1, 200, 5).float() @ states(2, 5, 5).float() + 4
    raw[:, 3] = 2 * raw[:, 0] - raw[:, 1]  # no direction of its own
    raw[:, 4] = 7.0
    standardise = Standardise(Moments(raw.mean(0), raw.std(0, correction=0)))
    whiten = Whiten(standardise, raw)
    assert (standardise.channels, whiten.channels) == (4, 3)
    rows = whiten(raw).double()
    torch.testing.assert_close(rows.mT @ rows / len(rows), torch.eye(3).double(), rtol=0, atol=1e-4)
    # Nothing is lost but what did not vary.
    torch.testing.assert_close(rows.float() @ torch.linalg.pinv(whiten.directions), standardise(raw), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("rows", "anchors"), [(0, 5), (4, 1)])
def test_a_contrast_needs_something_to_tell_apart(rows: int, anchors: int) -> None:
    student = states(1, rows).requires_grad_()
    value = contrast.soft_contrast(student, states(2, rows), states(3, anchors))
    value.backward()
    assert value.item() == 0
    assert not student.grad.any()


def test_rows_alike_to_the_teacher_are_not_pushed_apart() -> None:
    """InfoNCE would have each of two equal rows for a negative of the other."""
    teacher = states(1, 3).repeat(2, 1)
    student = teacher.clone().requires_grad_()
    (soft,) = torch.autograd.grad(contrast.contrast(student, teacher), student)
    (hard,) = torch.autograd.grad(alignment.infonce(student, teacher), student)
    assert soft.abs().max() < 1e-9 < hard.abs().max()


def test_the_teachers_head_is_used_again_and_does_not_learn() -> None:
    torch.manual_seed(0)
    output = Output(4, make_spec("multiclass"), "mean", dropout=0.5).train()
    raw = states(1, NODES).float()
    standardise = Standardise(Moments(raw.mean(0), raw.std(0, correction=0)))
    reuse = ReusedHead(torch.nn.Linear(4, 4), output, standardise).train()
    logits = reuse(raw, BATCH)
    torch.testing.assert_close(logits, reuse(raw, BATCH))  # no dropout
    logits.sum().backward()
    assert reuse.project.weight.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in reuse.output.parameters())
    reuse.project = torch.nn.Identity()
    torch.testing.assert_close(reuse(standardise(raw), BATCH), output((raw,), BATCH).logits)
