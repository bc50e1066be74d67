"""Doing jobs: admitted, claimed, sent, published; one worker, or many side by side."""
