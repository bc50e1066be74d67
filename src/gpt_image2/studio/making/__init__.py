"""Making pictures: what the page asks for, its inputs, and the calls that run without it."""
