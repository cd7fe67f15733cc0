#!/usr/bin/env bash
# Tune the settings of node-level recipes, on validation only, for the teacher and for the students alone; about an hour
# on one core. docs/results/cora_tuning.csv, citeseer_tuning.csv and actor_tuning.csv hold these trials and the coarser ones
# before them.
set -euo pipefail

folder=${1:-multirun/tune_nodes}
sweep() {
    gnn-distill train -m tracker=none trainer.threads=1 trainer.test=false hydra.sweep.dir="$folder/$1" "${@:2}"
}
sweep cora_gcn dataset=cora teacher=gcn student=none pretrain.optim.lr=3e-3 pretrain.optim.weight_decay=0.1,1 \
    teacher.hidden_channels=128,256 teacher.input_dropout=0.5,0.7 teacher.dropout=0.6 teacher.residual=true,false
sweep cora_transformer dataset=cora teacher=none student=transformer encoding.lap_pe=16 \
    student.dropout=0.6,0.8 optim.lr=1e-3,5e-3,1e-2
sweep cora_gps dataset=cora teacher=none student=gps student.local=gcn student.dropout=0.7,0.8 optim.lr=1e-3,3e-3,1e-2
sweep citeseer_gcn_decay dataset=citeseer teacher=gcn student=none seed=0,1 dataset.normalize_features=false,true \
    pretrain.optim.weight_decay=1,10
sweep citeseer_gcn_inputs dataset=citeseer teacher=gcn student=none seed=0,1 trainer.patience=40 \
    teacher.input_dropout=0.8 pretrain.optim.lr=1e-3,3e-3
sweep citeseer_gcn_width dataset=citeseer teacher=gcn student=none seed=0,1 trainer.patience=40 \
    teacher.hidden_channels=64 pretrain.optim.lr=1e-3,1e-2
sweep citeseer_gat dataset=citeseer teacher=gat student=none seed=0,1 trainer.patience=40 teacher.gat_version=v1 \
    teacher.hidden_channels=64 teacher.heads=8 teacher.attention_dropout=0.6 teacher.input_dropout=0.8 pretrain.optim.lr=5e-3
sweep actor_teacher dataset=actor student=none teacher=gcn,sage teacher.dropout=0.3,0.6 pretrain.optim.lr=1e-3,5e-3
sweep actor_sgformer dataset=actor teacher=none student=sgformer student.dropout=0.3,0.6 optim.lr=1e-3,5e-3 \
    optim.weight_decay=0.01,0.5
python scripts/collect_runs.py "$folder"
