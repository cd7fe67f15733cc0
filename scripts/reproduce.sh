#!/usr/bin/env bash
# Make every table of conf/table, or the named ones, and write the rows of their runs to docs/results/. Any machine
# continues from there: finished runs are not repeated. scripts/reproduce.sh [TABLE ...] [-- overrides]
#
#   scripts/reproduce.sh                                        all tables, one run after another
#   scripts/reproduce.sh nci1 main -- table.jobs=4 trainer.threads=1
set -euo pipefail
cd "$(dirname "$0")/.."

tables=()
while [ $# -gt 0 ] && [ "$1" != "--" ]; do
    tables+=("$1")
    shift
done
[ $# -eq 0 ] || shift
if [ ${#tables[@]} -eq 0 ]; then
    tables=(main baselines ablation controls nci1 weights)
fi

for table in "${tables[@]}"; do
    gnn-distill table table="$table" "$@"
    cp "outputs/tables/$table/full/runs.csv" "docs/results/table_$table.csv"
done
