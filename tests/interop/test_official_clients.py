"""The official clients of Python and Node drive every parameter of the family against the sandbox, which
judges strictly; what comes is what was asked for.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.dom import minidom

import httpx2
import openai
import pytest
from drawn import photo
from harness import KEY, Home, Sandbox
from npm import INSTALL_TIMEOUT_S, installed, node
from PIL import Image

#: The latest on the registry when this was written.
NODE_CLIENT = "openai@7.57.0"
FLARE = "gpt-image-2.6-flare"
GIF = {"model": FLARE, "output_format": "gif", "frame_count": 6, "frame_duration_ms": 94, "quality": "low"}
SVG = {"model": FLARE, "output_format": "svg", "svg": {"model": "writer", "reasoning": {"effort": "low"}}}
MOST = {
    "model": "gpt-image-2.6-sunburst",
    "n": 2,
    "size": "1024x640",
    "quality": "xhigh",
    "complexity": "low",
    "output_format": "webp",
    "output_compression": 70,
    "background": "opaque",
    "moderation": "low",
    "safety_identifier": "me",
}
#: Runs each call that the arguments describe, and prints what came of it.
SCRIPT = """
import fs from "node:fs";
import OpenAI, { toFile } from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const png = (path) => toFile(fs.createReadStream(path), path, { type: "image/png" });
for (const { image, markup, ...body } of JSON.parse(process.argv[4])) {
  const files = {};
  if (image) files.image = await png(image);
  if (markup) files.markup = await png(markup);
  try {
    const call = image ? client.images.edit({ ...body, ...files }) : client.images.generate(body);
    console.log(JSON.stringify(await call));
  } catch (error) {
    console.log(JSON.stringify({ status: error.status, code: error.code, message: error.message }));
  }
}
"""


@pytest.fixture
def official(sandbox: Sandbox) -> Iterator[openai.OpenAI]:
    with httpx2.Client(timeout=30, trust_env=False) as http:
        yield openai.OpenAI(
            base_url=sandbox.base_url,
            api_key=KEY,
            max_retries=0,
            _strict_response_validation=True,
            http_client=http,
        )


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """An input that lies on its side, and a markup as large as it is shown."""
    picture = photo((320, 240))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "in.png", exif=exif)
    drawn = Image.new("RGBA", (240, 320))
    drawn.paste((255, 0, 0, 255), (40, 40, 90, 90))
    drawn.save(tmp_path / "drawn.png")
    return {"image": tmp_path / "in.png", "markup": tmp_path / "drawn.png"}


def is_gif(b64_json: str) -> bool:
    """Whether it is a GIF of six frames that differ, each shown for 90 ms."""
    image = Image.open(io.BytesIO(base64.b64decode(b64_json)))
    frames = []
    for number in range(image.n_frames):
        image.seek(number)
        frames.append(image.convert("RGB").tobytes())
    return len(set(frames)) == len(frames) == 6 and image.info["duration"] == 90


def is_svg(b64_json: str, prompt: str) -> bool:
    """Whether it is an SVG with the prompt in it, and nothing that runs or is fetched."""
    document = minidom.parseString(base64.b64decode(b64_json))
    names = {element.tagName for element in document.getElementsByTagName("*")}
    text = document.getElementsByTagName("text")[0].firstChild.data
    return document.documentElement.tagName == "svg" and prompt in text and "script" not in names


def test_the_python_client_drives_every_parameter(
    official: openai.OpenAI, prompt: str, files: dict[str, Path]
) -> None:
    most = official.images.generate(prompt=prompt, **MOST)
    assert (most.safety_identifier, most.quality, len(most.data)) == ("me", "xhigh", 2)
    moving = official.images.generate(prompt=prompt, **GIF)
    assert moving.output_format == "gif" and is_gif(moving.data[0].b64_json)
    drawn = official.images.generate(prompt="<a> & b", **SVG)
    assert is_svg(drawn.data[0].b64_json, "<a> & b")
    assert drawn.svg_usage and drawn.svg_usage.model == "writer" and drawn.svg_usage.reasoning_tokens > 0
    edited = official.images.edit(prompt=prompt, image=files["image"], **SVG)
    assert edited.svg_usage and edited.svg_usage.model == "writer"
    marked = official.images.edit(prompt=prompt, model="gpt-image-2.5-flare", **files)
    assert marked.data


@pytest.mark.timeout(2 * INSTALL_TIMEOUT_S)
def test_the_node_client_drives_every_parameter(
    sandbox: Sandbox, home: Home, prompt: str, files: dict[str, Path]
) -> None:
    (home.cwd / "drive.mjs").write_text(SCRIPT, encoding="utf-8")
    (home.cwd / "node_modules").symlink_to(installed(NODE_CLIENT))
    image, markup = map(str, files.values())
    calls: list[dict[str, Any]] = [
        {"prompt": prompt, **MOST},
        {"prompt": prompt, **GIF},
        {"prompt": "<a> & b", **SVG},
        {"prompt": prompt, "image": image, **SVG},
        {"prompt": prompt, "image": image, "markup": markup, "model": "gpt-image-2.5-flare"},
        {"prompt": prompt, **GIF, "model": "gpt-image-2"},
    ]
    done = subprocess.run(
        [node(), "drive.mjs", sandbox.base_url, KEY, json.dumps(calls)],
        cwd=home.cwd,
        env={**home.env, "NO_PROXY": "*"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    most, moving, drawn, edited, marked, refused = map(json.loads, done.stdout.splitlines())
    assert (most["safety_identifier"], most["quality"], len(most["data"])) == ("me", "xhigh", 2)
    assert is_gif(moving["data"][0]["b64_json"]) and is_svg(drawn["data"][0]["b64_json"], "<a> & b")
    assert drawn["svg_usage"]["model"] == edited["svg_usage"]["model"] == "writer"
    assert marked["data"]
    assert (refused["status"], refused["code"]) == (400, "invalid_value")


@pytest.mark.parametrize("fields", [GIF, SVG], ids=["gif", "svg"])
def test_our_command_makes_valid_files_and_tells_their_cost_as_far_as_it_is_known(
    home: Home, sandbox: Sandbox, fields: dict[str, Any]
) -> None:
    kind = fields["output_format"]
    flags = ["--svg-model", "writer"]
    if kind == "gif":
        flags = ["--frame-count", "6", "--frame-duration-ms", "94"]
    args = ("--model", FLARE, "--format", kind, "-o", f"wave.{kind}", *flags)
    run = home.run("generate", "a wave", *args, base_url=sandbox.base_url)
    assert run.code == 0, run.stderr
    data = base64.b64encode((home.cwd / f"wave.{kind}").read_bytes()).decode()
    assert is_gif(data) if kind == "gif" else is_svg(data, "a wave")
    assert ("tokens of writer, unknown" in run.stderr) == (kind == "svg") and "$0." in run.stderr
