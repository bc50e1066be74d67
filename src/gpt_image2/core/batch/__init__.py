"""Many jobs from one file: read, planned, paced, run side by side, and taken up again after any ending."""
