"""The commands: `batch run` at an address, `batch plan`, `batch report`."""
