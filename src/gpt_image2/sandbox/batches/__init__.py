"""The Files and Batches APIs, and the clock that both live by. Stores files in a folder of its own, which is
removed at the end; requests are judged by `api` and drawn by `drawing`.
"""
