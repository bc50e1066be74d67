#!/bin/sh
# sh examples/cluster/parallel.sh JOBS ADDRESS [SHARDS]: all shards on this machine, by GNU parallel. With
# PARALLEL='--sshlogin a,b,c' they run on those machines, which each need gpt-image2 and its key.
set -eu
jobs=${1:?JOBS ADDRESS [SHARDS]} address=${2:?JOBS ADDRESS [SHARDS]} shards=${3:-8}
seq "$shards" | parallel --jobs "$shards" --line-buffer --tag \
  gpt-image2 batch run "$jobs" --out-dir "$address" --steal --shard "{}/$shards"
