"""The ledger: every request, its images and its cost in a SQLite file, and the commands that read it."""
