"""A real S3 server on loopback (moto's). Imports nothing of the project."""

from __future__ import annotations

import itertools
import logging
import urllib.request
from contextlib import contextmanager
from typing import Dict, Iterator

_numbers = itertools.count(1)


class S3:
    """A running server. `env` is what a client needs to reach it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.env: Dict[str, str] = {
            "AWS_ACCESS_KEY_ID": "test-id",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": root,
        }

    def bucket(self) -> str:
        """A new bucket; its address."""
        name = f"bucket-{next(_numbers)}"
        urllib.request.urlopen(urllib.request.Request(f"{self.root}/{name}", method="PUT")).read()
        return f"s3://{name}"


@contextmanager
def serve_s3() -> Iterator[S3]:
    """Such a server while the context is entered."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3(f"http://{host}:{port}")
    finally:
        server.stop()
