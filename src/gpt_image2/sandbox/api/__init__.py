"""What the server answers: bodies are read and judged as the real API would, and answers are written in its
words. May use `drawing`; knows no faults and no batches, and sends nothing itself.
"""
