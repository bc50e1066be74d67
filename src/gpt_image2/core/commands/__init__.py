"""Words in, one command done: `generate`, `edit`, `config`, `doctor`; and the one door to what is built on
core. Reads prompt files; writes config files.
"""
