"""Real stores on loopback: S3 (moto's server), GCS (the same, with the headers of its XML API), Azure
(Azurite). Imports nothing of the project."""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import re
import subprocess
import threading
import urllib.request
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

_numbers = itertools.count(1)
_ONLY_NEW, _CONFLICT = "HTTP_IF_NONE_MATCH", "tests.conflict"
#: What moto takes for the signature of somebody who may write.
_SIGNED = "AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/s3/aws4_request"
Environ = Dict[str, Any]


class S3:
    """A running server. `env` is what a client needs to reach it. So many requests with conditions it answers
    as if others were under way: its `conflicts`."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.conflicts = 0
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
def serve_s3(keeps_conditions: bool = True) -> Iterator[S3]:
    """Such a server while the context is entered. Without `keeps_conditions` it takes no notice of those, as
    some servers do that speak S3."""

    server = S3("")

    def heard(environ: Environ) -> None:
        if not keeps_conditions:
            environ.pop(_ONLY_NEW, None)
        if _ONLY_NEW in environ and server.conflicts:
            server.conflicts -= 1
            environ[_CONFLICT] = b"<Error><Code>ConditionalRequestConflict</Code></Error>"

    with _serve_moto(heard) as root:
        server = S3(root)
        yield server


@contextmanager
def _serve_moto(heard: Callable[[Environ], None]) -> Iterator[str]:
    """moto's server while the context is entered, at this address; `heard` may change what it is asked."""
    import waitress  # keeps connections, as S3 does
    from moto.server import DomainDispatcherApplication, create_backend_app
    from waitress import wasyncore

    app, one_by_one = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def answer(environ: Environ, start_response: Any) -> Any:
        heard(environ)
        if _CONFLICT in environ:
            environ["wsgi.input"].read()
            start_response("409 Conflict", [("Content-Type", "application/xml")])
            return [environ[_CONFLICT]]
        if _ONLY_NEW not in environ:
            return app(environ, start_response)
        with one_by_one:  # moto looks and writes in two steps, S3 in one
            return app(environ, start_response)

    connections: Dict[int, Any] = {}
    server = waitress.create_server(answer, connections, host="127.0.0.1", port=0, threads=16)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            wasyncore.loop(timeout=0.1, map=connections, count=1)
        server.task_dispatcher.shutdown()
        wasyncore.close_all(connections)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        ended.set()
        thread.join()


class GCS:
    """A running server that takes the requests of Google's XML API. `env` is what a client needs to reach it:
    a service account with a key of its own."""

    def __init__(self, root: str, folder: Path) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {
            "type": "service_account",
            "client_email": "pictures@project.iam.gserviceaccount.com",
            "private_key_id": "1",
            "private_key": key.decode(),
            "gcs_base_url": root,
        }
        credentials = folder / "account.json"
        credentials.write_text(json.dumps(account))
        self.root = root
        self.env: Dict[str, str] = {
            "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
            "GOOGLE_BASE_URL": root,
        }

    def bucket(self) -> str:
        """A new bucket; its address."""
        return S3(self.root).bucket().replace("s3://", "gs://")


@contextmanager
def serve_gcs(folder: Path) -> Iterator[GCS]:
    """Such a server while the context is entered; its account's file is in the folder."""

    def heard(environ: Environ) -> None:
        environ["HTTP_AUTHORIZATION"] = _SIGNED
        if environ.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", None) == "0":
            environ[_ONLY_NEW] = "*"

    with _serve_moto(heard) as root:
        yield GCS(root, folder)


class Azure:
    """A running Azurite, with the account that it has by itself. `env` is what a client needs to reach it."""

    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def __init__(self, root: str) -> None:
        self.root = f"{root}/{self.account}"
        self.env: Dict[str, str] = {
            "AZURE_STORAGE_ACCOUNT_NAME": self.account,
            "AZURE_STORAGE_ACCOUNT_KEY": self.key,
            "AZURE_STORAGE_ENDPOINT": self.root,
        }

    def container(self) -> str:
        """A new container; its address. By hand: it takes one signed request."""
        name = f"container-{next(_numbers)}"
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        told = "".join(f"{each}:{value}\n" for each, value in headers.items())
        resource = f"/{self.account}/{self.account}/{name}\nrestype:container"
        signed = ("PUT" + "\n" * 12 + told + resource).encode()
        mark = base64.b64encode(hmac.digest(base64.b64decode(self.key), signed, "sha256")).decode()
        headers["Authorization"] = f"SharedKey {self.account}:{mark}"
        headers["Content-Length"] = "0"
        address = f"{self.root}/{name}?restype=container"
        urllib.request.urlopen(urllib.request.Request(address, headers=headers, method="PUT")).read()
        return f"az://{name}"


@contextmanager
def serve_azure(node: str, program: Path) -> Iterator[Azure]:
    """Azurite while the context is entered; `program` is its `blob/main.js`."""
    flags = ("--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck")
    command = [node, str(program), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        lines = (re.search(r"listens on (http://[0-9.:]+)", line) for line in server.stdout)
        found = next(filter(None, lines), None)
        assert found is not None, "Azurite did not start"
        try:
            yield Azure(found.group(1))
        finally:
            server.terminate()
