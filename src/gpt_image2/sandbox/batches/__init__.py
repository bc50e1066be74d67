"""The Files and Batches APIs. Stores files in a folder of its own, which is
removed at the end; requests are judged by `api` and drawn by `drawing`.
"""
