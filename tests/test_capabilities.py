"""A student is two files, its module and its YAML: what it can do stands in the first, and all who ask read it there."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from small_tasks import make_node_task, make_runtime, make_task
from stages.small_runs import CONFIG as SMALL

from gnn_distill import capabilities, load
from gnn_distill.capabilities import Capabilities, capabilities_of, students_who
from gnn_distill.data.feed import NodeFeed
from gnn_distill.errors import UserError
from gnn_distill.losses.labels import make_labels
from gnn_distill.models import build_student
from gnn_distill.prediction import save_student
from gnn_distill.schema.encoding import EncodingConfig
from gnn_distill.schema.run import TrainerConfig
from gnn_distill.schema.student import StudentConfig
from gnn_distill.stages.distill import check_student
from gnn_distill.stages.runtime import shapes_repeat
from gnn_distill.stages.teacher import plan_teacher
