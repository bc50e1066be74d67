"""Every field of a request is known at every door: flags, jobs files, the library, tools, sandbox and docs.

Whoever adds a field to `REQUEST_FIELDS` adds it to a sample, and is told by these tests what is left to do.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from batching import OUT, write_jobs
from harness import KEY, REFERENCES, Home
from pictures import png
from servers import Recorder

from gpt_image2 import Client
from gpt_image2.core.api.checks import checked
from gpt_image2.core.api.request import INNER_FIELDS, REQUEST_FIELDS, ImageRequest
from gpt_image2.core.batch.job import job_key
from gpt_image2.core.commands.field_flags import flag_of
from gpt_image2.mcp.arguments import image_arguments
from gpt_image2.sandbox.api.errors import Refused
from gpt_image2.sandbox.api.submission import Submission
from gpt_image2.sandbox.api.validation import validate

#: Requests that the API takes, which have every field between them.
SAMPLES: dict[str, dict[str, Any]] = {
    "a picture": {
        "model": "gpt-image-2", "n": 2, "size": "1024x1536", "quality": "low", "output_format": "webp",
        "output_compression": 40, "background": "opaque", "moderation": "low", "user": "user-7",
    },
    "a gif": {
        "model": "gpt-image-2.6-flare", "output_format": "gif", "frame_count": 6, "size": "1280x720",
        "frame_duration_ms": 90, "complexity": "low", "safety_identifier": "me", "quality": "max",
    },
    "an svg": {
        "model": "gpt-image-2.6-sunburst", "output_format": "svg", "svg_model": "m", "svg_effort": "low",
    },
    "a stream": {"model": "gpt-image-2", "stream": True, "partial_images": 2},
}  # fmt: skip
#: Fields that change nothing of what an image shows: how a request travels, and whom the provider checks.
NOT_SHOWN = {"stream", "partial_images", "moderation", "user"}

every_sample = pytest.mark.parametrize("fields", SAMPLES.values(), ids=SAMPLES.keys())


def request_of(fields: dict[str, Any]) -> ImageRequest:
    return ImageRequest(prompt="a cat", **fields)


def wire(fields: dict[str, Any]) -> dict[str, Any]:
    """What is to be sent."""
    return request_of(fields).wire_fields("output_format")


def flags(fields: dict[str, Any]) -> list[str]:
    """The words of a command line."""
    pairs = [
        [flag_of(name)] if value is True else [flag_of(name), str(value)] for name, value in fields.items()
    ]
    return [word for pair in pairs for word in pair]


def client(recorder: Recorder, home: Home) -> Client:
    env = {**home.env, "GPT_IMAGE2_API_KEY": KEY}
    return Client(base_url=recorder.base_url, retries=0, env=env)


def test_every_field_is_in_a_sample_and_in_the_request() -> None:
    assert set().union(*SAMPLES.values()) == set(REQUEST_FIELDS)
    names = ImageRequest.__match_args__
    assert names[1 : names.index("images")] == tuple(REQUEST_FIELDS)


@every_sample
def test_the_api_takes_a_sample(fields: dict[str, Any]) -> None:
    request, warnings = checked(request_of(fields))
    assert request.wire_fields("output_format") == wire(fields)
    assert warnings == ()


@every_sample
def test_a_command_line_has_a_flag_for_it(home: Home, recorder: Recorder, fields: dict[str, Any]) -> None:
    run = home.run("generate", "a cat", *flags(fields), base_url=recorder.base_url)
    assert [sent.json for sent in recorder.requests] == [wire(fields)], run.stderr
    run = home.run("history", "redo", "1", base_url=recorder.base_url)
    assert [sent.json for sent in recorder.requests] == [wire(fields)] * 2, run.stderr


@every_sample
def test_a_jobs_file_and_its_defaults_have_it(home: Home, recorder: Recorder, fields: dict[str, Any]) -> None:
    for jobs, words in (({"prompt": "a cat", **fields}, []), ("a cat", flags(fields))):
        file = write_jobs(home, jobs)
        command = ("batch", "run", str(file), "--out-dir", f"{OUT}-{len(words)}", *words)
        run = home.run(*command, base_url=recorder.base_url)
        assert recorder.requests and recorder.requests[-1].json == wire(fields), run.stderr
    assert len(recorder.requests) == 2


@every_sample
def test_the_library_has_it(home: Home, recorder: Recorder, fields: dict[str, Any]) -> None:
    output = home.cwd / "x.png"
    (home.cwd / "in.png").write_bytes(png())
    ours = client(recorder, home)
    for call in (
        lambda: ours.generate("a cat", output=output, **fields),
        lambda: ours.edit(home.cwd / "in.png", "a cat", output=output, **fields),
    ):
        try:
            call()
        except Exception as error:
            assert recorder.requests, error
    generated, edited = recorder.requests
    assert generated.json == wire(fields)
    assert edited.texts() == dict(request_of(fields).form_texts("output_format"))


@every_sample
def test_a_tool_has_an_argument_for_it(fields: dict[str, Any]) -> None:
    for tool, more in (("generate_image", {}), ("edit_image", {"images": ["a.png"]})):
        asked = image_arguments(tool, {"prompt": "a cat", **more, **fields}).request
        assert asked.wire_fields("output_format") == wire(fields)


@every_sample
def test_the_sandbox_takes_it_and_refuses_it_where_it_makes_no_sense(fields: dict[str, Any]) -> None:
    validate(Submission("generations", wire(fields)), "req_1")
    for name in wire(fields):
        with pytest.raises(Refused) as refused:
            validate(Submission("generations", {**wire(fields), name: [["no"]]}), "req_1")
        assert refused.value.param == name


@every_sample
def test_what_an_image_shows_is_what_tells_a_job_from_another(fields: dict[str, Any]) -> None:
    whole = job_key(request_of(fields), [], None)
    without = {
        name: job_key(request_of({**fields, name: None}), [], None) for name in fields if name != "model"
    }
    assert {name for name, key in without.items() if key == whole} == NOT_SHOWN & fields.keys()


@pytest.mark.parametrize("name", REQUEST_FIELDS)
def test_the_references_name_it(name: str) -> None:
    rows = Path(REFERENCES / "cli.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{flag_of(name)}`", rows, re.MULTILINE)
    on_wire = INNER_FIELDS.get(name, (name,))[0]
    assert f"`{on_wire}`" in (REFERENCES / "api.md").read_text(encoding="utf-8")
