"""What a client can be put through: a table of faults, each a change to one step between a valid request and
the bytes of its answer. Knows the answers of `api`; what comes out is sent by the connection.
"""
