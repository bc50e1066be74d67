#!/bin/sh
#SBATCH --job-name=pictures
#SBATCH --array=1-16
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@330
# sbatch examples/cluster/slurm.sh JOBS ADDRESS [FLAGS, such as --max-cost 500]: each task is a shard; one that is requeued,
# and the same sbatch after the end of the time, with any --array, go on with what is left.
# Slurm says 330 s before the end that it comes, for a call may take 276 s: nothing more is started, and what is paid for ends.
# To stop in the same way: scancel --batch --signal=TERM JOB. A bare scancel and a requeue give calls 30 s (Slurm's KillWait).
# A file system that all nodes share will do as the address: file:///scratch/me/run-1
set -eu
jobs=${1:?JOBS ADDRESS [FLAGS]} address=${2:?JOBS ADDRESS [FLAGS]}
shift 2
exec gpt-image2 batch run "$jobs" --out-dir "$address" --steal --concurrency 32 \
  --shard "$((SLURM_ARRAY_TASK_ID % SLURM_ARRAY_TASK_COUNT + 1))/$SLURM_ARRAY_TASK_COUNT" "$@"
