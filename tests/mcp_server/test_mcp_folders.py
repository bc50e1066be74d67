"""Files are written below the output folder only, and read from there and the allowed folders only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from harness import Sandbox
from mcp import types
from mcp_driving import Place, call, generate, mask, photo, text_of

from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.outputs.naming import plan_output
from gpt_image2.mcp.folders import Folders

pytestmark = pytest.mark.anyio


async def edit(place: Place, sandbox: Sandbox, *images: str, **more: str) -> types.CallToolResult:
    arguments = {"prompt": place.prompt, "quality": "low", "images": images, **more}
    return await call(place, sandbox.base_url, "edit_image", arguments)


def is_refused(result: types.CallToolResult, place: Place, sandbox: Sandbox) -> bool:
    """Refused for its path, with nothing sent."""
    hits = sandbox.log(place.prompt)["hits"]
    code = result.structured_content.get("error", {}).get("code")
    return bool(result.is_error) and code == "path_not_allowed" and hits == 0


@pytest.mark.parametrize(
    "output",
    [
        "../cat.png",
        "a/../../cat.png",
        "/tmp/cat.png",
        "~/cat.png",
        "~root/x.png",
        "-",
        "  ",
        "a\0b.png",
        "..",
    ],
)
async def test_a_name_that_is_not_below_the_output_folder_is_refused(
    place: Place, sandbox: Sandbox, output: str
) -> None:
    assert is_refused(await generate(place, sandbox.base_url, output=output), place, sandbox)
    assert place.written() == []


async def test_a_name_that_no_file_can_have_is_refused_as_such(place: Place, sandbox: Sandbox) -> None:
    result = await generate(place, sandbox.base_url, output="a" * 300)
    assert (result.is_error, result.structured_content["error"]["code"]) == (True, "usage")
    assert "a shorter name" in result.structured_content["error"]["hint"]
    assert place.written() == []


@pytest.mark.parametrize("output", ["out/cat.png", "out/", "out", "out/deep/cat.png"])
async def test_a_folder_that_is_a_link_to_elsewhere_is_refused(
    place: Place, sandbox: Sandbox, output: str
) -> None:
    outside = place.root / "outside"
    outside.mkdir()
    (place.output / "out").symlink_to(outside)
    assert is_refused(await generate(place, sandbox.base_url, output=output), place, sandbox)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("exists", [True, False])
async def test_a_file_that_is_a_link_to_elsewhere_is_refused(
    place: Place, sandbox: Sandbox, exists: bool
) -> None:
    outside = place.root / "outside.png"
    if exists:
        outside.write_bytes(b"mine")
    (place.output / "cat.png").symlink_to(outside)
    assert is_refused(await generate(place, sandbox.base_url, output="cat.png"), place, sandbox)
    assert outside.exists() == exists and (not exists or outside.read_bytes() == b"mine")


async def test_a_link_that_stays_below_the_output_folder_is_followed(place: Place, sandbox: Sandbox) -> None:
    (place.output / "real").mkdir()
    (place.output / "link").symlink_to("real")
    result = await generate(place, sandbox.base_url, output="link/cat.png")
    assert result.structured_content["images"][0]["path"] == str(place.output / "real" / "cat.png")


def test_a_folder_that_becomes_a_link_after_the_first_check_is_refused(place: Place) -> None:
    folders = Folders(place.output)
    output = folders.output("icons/cat.png", "png")
    plan = plan_output(output, "png", 1, "a cat", place.root / "rescued", no_clobber=True)
    (place.root / "outside").mkdir()
    (place.output / "icons").symlink_to(place.root / "outside")
    with pytest.raises(UsageError, match="leads out of the output folder"):
        folders.ready(plan, 1)
    assert list((place.root / "outside").iterdir()) == []


def test_every_numbered_name_is_checked(place: Place) -> None:
    folders = Folders(place.output)
    (place.output / "cat-3.png").symlink_to(place.root / "outside.png")
    output = folders.output("cat.png", "png")
    plan = plan_output(output, "png", 3, "a cat", place.root / "rescued", no_clobber=True)
    with pytest.raises(UsageError, match="cat-3"):
        folders.ready(plan, 3)


async def test_inputs_are_read_from_the_output_and_the_allowed_folders(
    place: Place, sandbox: Sandbox
) -> None:
    one, two = photo(place.allowed / "one.png"), photo(place.output / "two.png")
    result = await edit(place, sandbox, str(one), "two.png", two.as_uri())
    assert not result.is_error, text_of(result)


async def test_inputs_from_elsewhere_are_refused(place: Place, sandbox: Sandbox) -> None:
    outside = photo(place.root / "outside.png")
    inside = photo(place.allowed / "inside.png")
    (place.allowed / "link.png").symlink_to(outside)
    (place.allowed / "folder").symlink_to(place.root)
    sources = [
        str(outside),
        "../outside.png",
        f"{place.allowed}/../outside.png",
        str(place.allowed / "link.png"),
        str(place.allowed / "folder" / "outside.png"),
        outside.as_uri(),
        "file://elsewhere/outside.png",
        "~/outside.png",
        "-",
        "/dev/stdin",
        "/proc/self/environ",
    ]
    for source in sources:
        assert is_refused(await edit(place, sandbox, source), place, sandbox), source
        assert is_refused(await edit(place, sandbox, str(inside), source), place, sandbox), source
    hole = mask(place.root / "mask.png")
    assert is_refused(await edit(place, sandbox, str(inside), mask=str(hole)), place, sandbox)


async def test_a_refusal_does_not_tell_whether_the_file_exists(place: Place, sandbox: Sandbox) -> None:
    photo(place.root / "outside.png")
    texts = []
    for name in ("outside.png", "missing.png"):
        result = await edit(place, sandbox, str(place.root / name))
        texts.append(text_of(result).replace(name, "NAME"))
    assert texts[0] == texts[1]


async def test_get_image_reads_no_other_folder(place: Place, sandbox: Sandbox) -> None:
    outside = photo(place.root / "outside.png")
    (place.output / "link.png").symlink_to(outside)
    for path in (str(outside), "../outside.png", "link.png", "/etc/hostname"):
        result = await call(place, sandbox.base_url, "get_image", {"path": path})
        assert is_refused(result, place, sandbox)


def test_an_allowed_folder_that_does_not_exist_is_an_error_at_the_start(place: Place) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        Folders(place.output, [place.root / "missing"])


def test_the_output_folder_is_made(place: Place) -> None:
    folder = place.root / "new" / "folder"
    assert Folders(folder).output_dir == Path(os.path.realpath(folder))
    assert folder.is_dir() and list(folder.iterdir()) == []
