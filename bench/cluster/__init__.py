"""Batches beyond one machine, measured: `python -m bench.cluster kills|overhead|money|pace [JOBS]`."""
