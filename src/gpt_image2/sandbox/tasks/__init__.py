"""Answers that are tasks to be polled, as relays give them: their dialects, their course and their endpoints.
Images are made by `making` when a task that is done is asked for them.
"""
