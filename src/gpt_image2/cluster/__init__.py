"""Batches beyond one machine: each job paid for once, by claims in object storage. Imports core alone."""
