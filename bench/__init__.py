"""Everybody who fetches images, measured side by side on loopback: `python -m bench`, or `make bench`."""
