#!/usr/bin/env bash
# A table on a SLURM cluster as one array job: eight processes share its cells, each makes those that no other one makes.
#
#   pip install -c constraints.txt -e .
#   sbatch scripts/slurm_array.sh main table.size=measured
#   sbatch --dependency=afterany:<the job's id> --wrap 'gnn-distill table table=main table.size=measured'    # renders it
#
# A run that is being made holds a lock in its folder, and the others skip it: put outputs/, the store and the data where
# all nodes can read and lock files. After a time-out submit the same command again: it repeats no finished run, and resumes
# a stopped one at its last epoch. For every run as a job of its own: scripts/slurm_table.sh.
#SBATCH --job-name=gnn-distill
#SBATCH --array=0-7
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=1-00:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

# Two ranks a cell, where trainer.devices is a key: --cpus-per-task=8 above, --gpus-per-task=2 on GPUs, and behind the table
# trainer.devices=2 trainer.threads=4. A cell then starts its two ranks itself, so --ntasks stays 1.
gnn-distill table table="${1:-main}" trainer.threads="${SLURM_CPUS_PER_TASK:-4}" "${@:2}" &
run=$!
trap 'kill -TERM "$run"' TERM
wait "$run" || wait "$run"
