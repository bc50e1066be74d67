"""A subject cut out of its flat background: by one key colour, or exactly, from a pair of pictures."""
