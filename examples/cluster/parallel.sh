#!/bin/sh
# sh examples/cluster/parallel.sh JOBS ADDRESS [SHARDS [FLAGS, such as --max-cost 20]]: all shards on this machine, by GNU
# parallel. With PARALLEL='--sshlogin a,b,c' they run on those machines, which each need gpt-image2 and its key.
# Its exit code is how many shards did not end with all done. At Ctrl-C each waits for what is paid for (--termseq).
set -eu
jobs=${1:?JOBS ADDRESS [SHARDS [FLAGS]]} address=${2:?JOBS ADDRESS [SHARDS [FLAGS]]} shards=${3:-8}
shift $(($# < 3 ? $# : 3))
seq "$shards" | parallel --jobs "$shards" --line-buffer --tag --quote --termseq TERM,330000,KILL,25 \
  gpt-image2 batch run "$jobs" --out-dir "$address" --steal --shard "{}/$shards" "$@"
