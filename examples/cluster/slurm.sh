#!/bin/sh
#SBATCH --job-name=pictures
#SBATCH --array=1-16
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=12:00:00
#SBATCH --requeue
# sbatch examples/cluster/slurm.sh JOBS ADDRESS: each task is a shard; one that is requeued goes on where it was.
# A file system that all nodes share will do as the address: file:///scratch/me/run-1
set -eu
exec gpt-image2 batch run "${1:?JOBS ADDRESS}" --out-dir "${2:?JOBS ADDRESS}" --steal --concurrency 32 \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
