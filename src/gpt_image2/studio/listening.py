"""The socket that the studio listens on: loopback alone."""

from __future__ import annotations

import socket
import sys

from gpt_image2.core.base.errors import UsageError

HOST = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; 0 takes a free port.

    Raises:
        UsageError: the port is in use, or not ours to take.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there the option would share a port that is in use
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
        sock.listen()
    except OSError as error:
        sock.close()
        raise UsageError(
            f"cannot listen on {HOST}:{port}: {error.strerror or error}",
            hint="give --port 0 for a free port",
        ) from None
    return sock
