"""The record of what was paid: every request, its images and its cost, in one SQLite file in the state
folder, which only this room opens.
"""
