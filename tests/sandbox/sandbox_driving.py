"""How the tests talk to a sandbox: the official client, raw HTTP, and small images to send."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from typing import Any

import httpx2
from openai import OpenAI
from PIL import Image

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123"
BEARER = {"authorization": f"Bearer {KEY}"}


@dataclass(frozen=True)
class Driver:
    """One sandbox, and a prompt that only this test uses."""

    root: str
    prompt: str
    http: httpx2.Client

    def base_url(self, fault: str | None = None) -> str:
        return f"{self.root}/fault/{fault}/v1" if fault else f"{self.root}/v1"

    def openai(self, fault: str | None = None, key: str = KEY) -> OpenAI:
        return OpenAI(
            base_url=self.base_url(fault),
            api_key=key,
            max_retries=0,
            _strict_response_validation=True,
            http_client=self.http,
        )

    def body(self, **fields: Any) -> dict[str, Any]:
        return {"model": "gpt-image-2", "prompt": self.prompt, "quality": "low", **fields}

    def generate(self, fault: str | None = None, **fields: Any) -> httpx2.Response:
        url = f"{self.base_url(fault)}/images/generations"
        return self.http.post(url, json=self.body(**fields), headers=BEARER)

    def edit(self, files: Any, fault: str | None = None, **fields: Any) -> httpx2.Response:
        url = f"{self.base_url(fault)}/images/edits"
        return self.http.post(url, data=self.body(**fields), files=files, headers=BEARER)

    def received(self, fault: str, **fields: Any) -> tuple[httpx2.Response, bytes, Exception | None]:
        """The answer, every byte that came of it, and how it failed."""
        url = f"{self.base_url(fault)}/images/generations"
        came = bytearray()
        with self.http.stream("POST", url, json=self.body(**fields), headers=BEARER) as response:
            try:
                for chunk in response.iter_raw():
                    came += chunk
            except httpx2.TransportError as error:
                return response, bytes(came), error
        return response, bytes(came), None

    def log(self) -> dict[str, Any]:
        """The sandbox's log of this test's prompt."""
        return self.http.get(f"{self.root}/_sandbox/log", params={"prompt": self.prompt}).json()

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock forward."""
        response = self.http.post(f"{self.root}/_sandbox/clock", json={"advance_s": seconds})
        assert response.status_code == 200

    def now_s(self) -> float:
        return self.http.get(f"{self.root}/_sandbox/clock").json()["now_s"]


def error_of(response: httpx2.Response) -> dict[str, Any]:
    body = response.json()
    assert set(body) == {"error"}
    assert {"message", "type", "param", "code"} <= set(body["error"])
    return body["error"]


def events_of(text: str) -> list[dict[str, Any]]:
    """The data of each whole event of a stream."""
    whole = text.split("\n\n")[:-1]
    lines = [[line[6:] for line in event.split("\n") if line.startswith("data: ")] for event in whole]
    return [json.loads("\n".join(data)) for data in lines if data]


def opened(b64_json: str | None) -> Image.Image:
    assert b64_json is not None
    image = Image.open(io.BytesIO(base64.b64decode(b64_json, validate=True)))
    image.load()
    return image


def as_file(image: Image.Image, name: str = "input.png") -> tuple[str, bytes, str]:
    """An image as a multipart file: name, bytes, type."""
    kind = {"png": "png", "jpg": "jpeg", "webp": "webp"}[name.rpartition(".")[2]]
    out = io.BytesIO()
    image.save(out, kind)
    return name, out.getvalue(), f"image/{kind}"


def as_data_url(image: Image.Image) -> str:
    _, data, kind = as_file(image)
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
