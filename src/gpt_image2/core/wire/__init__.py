"""Bytes to and from a server. The only room that starts a process, `curl`; and what reads JSON, server-sent
events and base64 while they arrive.
"""
