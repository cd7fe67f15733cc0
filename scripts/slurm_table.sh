#!/usr/bin/env bash
# A table on a SLURM cluster: `gnn-distill table` waits here while every run is a job of its own.
#
#   pip install -c constraints.txt -e ".[submitit]"
#   sbatch scripts/slurm_table.sh main
#
# Started again after a time-out, it repeats no finished run. Put the store and the data where all nodes can read them.
#SBATCH --job-name=gnn-distill
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --time=2-00:00:00
set -euo pipefail

gnn-distill table table="${1:-main}" trainer.threads=4 \
    hydra/launcher=submitit_slurm hydra.launcher.timeout_min=240 hydra.launcher.cpus_per_task=4 \
    hydra.launcher.mem_gb=8 hydra.launcher.array_parallelism=32 "${@:2}"
