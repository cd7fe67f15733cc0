"""All stages of a run, one after the other, on a small task."""

from small_tasks import preset
from torch import nn

from gnn_distill.config.schema.data import DatasetConfig
from gnn_distill.config.schema.objective import AlignmentConfig, AlignmentWeights, LossConfig, LossWeights
from gnn_distill.config.schema.run import OptimConfig, PretrainConfig, TrainConfig, TrainerConfig
from gnn_distill.data.subgraphs.patching import patching_of
from gnn_distill.data.task import GraphTask
from gnn_distill.losses.task import make_task_loss
from gnn_distill.pipeline.encodings import stored_encodings
from gnn_distill.pipeline.ensemble import together
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.pipeline.student import train_student
from gnn_distill.pipeline.subgraphs import StoredStructure
from gnn_distill.pipeline.teacher import train_teacher
from gnn_distill.pipeline.teacher_outputs import compute_teacher_outputs
from gnn_distill.pipeline.teacher_plan import plan_teachers
from gnn_distill.training.loop import FitResult

CONFIG = TrainConfig(
    dataset=DatasetConfig(),
    teacher=preset("teacher", "gin", hidden_channels=8, num_layers=2),
    student=preset("student", "graphormer", hidden_channels=8, num_layers=3, num_heads=2, dropout=0.1),
    encoding=preset("encoding", "graphormer", max_spd=5, lap_pe=2),
    loss=LossConfig(weights=LossWeights(soft=0.5, micro=0.5, macro=0.5)),
    alignment=AlignmentConfig(weights=AlignmentWeights(node=1.0, subgraph=0.5, graph=0.5), layers=True),
    pretrain=PretrainConfig(max_epochs=1, batch_size=4),
    trainer=TrainerConfig(max_epochs=2, batch_size=4),
    optim=OptimConfig(lr=1e-2),
)


def run_stages(runtime: Runtime, task: GraphTask, config: TrainConfig) -> tuple[nn.Module, FitResult]:
    """The student, and what its training left; a teacher's stages come first if there is one."""
    task_loss = make_task_loss(task, config.task)
    kept = teacher = None
    if config.teacher.name != "none":
        plans = plan_teachers(config, task)
        trained = [train_teacher(runtime, task, None, task_loss, plan) for plan in plans]
        structure = StoredStructure(runtime, task, plans[0].outputs.visible)
        outputs = [
            compute_teacher_outputs(runtime, task, None, *one, plan, structure)[0]
            for one, plan in zip(trained, plans, strict=True)
        ]
        kept, teacher = together(outputs, task.spec.kind), trained[0][0]
    encodings, _ = stored_encodings(runtime, task, config.encoding, patching_of(config.student, task.spec))
    return train_student(runtime, task, encodings, task_loss, kept, config, teacher)
