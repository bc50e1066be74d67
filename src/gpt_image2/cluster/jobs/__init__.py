"""Jobs, as lines of a file or rows of a table, and what becomes of them."""
