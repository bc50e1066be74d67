"""The tests of `poster.py`: pytest examples/library

The fixture `gpt_image2_sandbox` comes with the package (`pip install '.[sandbox]'` in a clone).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from poster import poster

import gpt_image2
from gpt_image2 import Sandbox


@pytest.fixture
def photo(gpt_image2_sandbox: Sandbox) -> bytes:
    """A photo, from the sandbox too."""
    data = gpt_image2.generate("A crowd before a stage", quality="low").image.bytes()
    gpt_image2_sandbox.reset()
    return data


def test_the_poster_is_made_of_the_photo(gpt_image2_sandbox: Sandbox, photo: bytes, tmp_path: Path) -> None:
    path = poster("a concert", photo, tmp_path)
    assert path.read_bytes().startswith(b"\x89PNG")
    (request,) = gpt_image2_sandbox.requests
    assert request.endpoint == "edits" and len(request.images) == 1
    assert request.fields["size"] == "1024x1536" and "a concert" in request.prompt


def test_what_may_cost_more_than_allowed_is_not_sent(
    gpt_image2_sandbox: Sandbox, photo: bytes, tmp_path: Path
) -> None:
    with pytest.raises(gpt_image2.UsageError) as caught:
        poster("a concert", photo, tmp_path, max_cost_usd=0.01)
    assert caught.value.code == "over_max_cost"
    assert gpt_image2_sandbox.requests == []


def test_without_credit_there_is_no_poster_and_no_second_try(
    gpt_image2_sandbox: Sandbox, photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPT_IMAGE2_BASE_URL", gpt_image2_sandbox.fault("quota"))
    with pytest.raises(gpt_image2.QuotaError) as caught:
        poster("a concert", photo, tmp_path)
    assert caught.value.billed is gpt_image2.Billed.NO
    assert len(gpt_image2_sandbox.requests) == 1
