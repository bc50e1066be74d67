#!/bin/sh
#SBATCH --job-name=pictures
#SBATCH --array=1-16
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@330
# sbatch examples/cluster/slurm.sh JOBS ADDRESS: each task is a shard; one that is requeued goes on where it was.
# Slurm says 330 s before the end that it comes, for a call may take 276 s: nothing more is started, and what is paid for ends.
# A file system that all nodes share will do as the address: file:///scratch/me/run-1
set -eu
exec gpt-image2 batch run "${1:?JOBS ADDRESS}" --out-dir "${2:?JOBS ADDRESS}" --steal --concurrency 32 \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
