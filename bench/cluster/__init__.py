"""Batches beyond one machine, measured: `python -m bench.cluster kills|limits|overhead [JOBS]`."""
