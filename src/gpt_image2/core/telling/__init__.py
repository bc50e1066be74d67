"""What people and programs are told: lines and colours, `--json`, `--events`, `--quiet`. Touches standard
output and standard error, nothing else.
"""
