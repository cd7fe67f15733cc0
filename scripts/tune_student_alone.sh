#!/usr/bin/env bash
# Tune the student alone on dataset=typed_edges, on validation only: 27 trials, about 15 minutes on one core.
set -euo pipefail

sweep=${1:-multirun/tune_student_alone}
gnn-distill train -m dataset=typed_edges experiment=student_alone tracker=none trainer.threads=1 trainer.test=false \
    hydra.sweep.dir="$sweep" \
    optim.lr=5e-4,1e-3,2e-3 student.dropout=0,0.1,0.3 encoding.bias_scale=0.02,0.2,1.0
python scripts/collect_runs.py "$sweep"
