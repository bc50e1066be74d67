"""Images on their way to disk: named before anything is paid for, decoded while they arrive, renamed in place
when they are whole. The only room that writes outputs.
"""
