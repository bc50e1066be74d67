"""Inputs and outputs as programs have them: paths, bytes, open files, pictures of Pillow, memory."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any, Callable

import pytest
from asking import client
from faulty import Exchange, body_of, serving
from harness import REFERENCES, Home
from jsonschema import validate
from pictures import jpeg, png
from PIL import Image
from servers import Recorder, images

from gpt_image2 import Billed, OutputError, PartialError, Result, SavedImage, UsageError

PICTURE = png(1024, 1024)
INPUT = png(noise=b"input")


def kept(home: Home) -> list[Path]:
    """The images that wait in the rescue folder."""
    return sorted(home.rescued.glob("*")) if home.rescued.exists() else []


def pillow(mode: str = "RGB") -> Any:
    return Image.new(mode, (64, 48), 7)


@pytest.mark.parametrize(
    "given",
    [
        lambda path: str(path),
        lambda path: path,
        lambda path: INPUT,
        lambda path: bytearray(INPUT),
        lambda path: memoryview(INPUT),
        lambda path: io.BytesIO(INPUT),
        lambda path: path.open("rb"),
    ],
    ids=["str", "Path", "bytes", "bytearray", "memoryview", "BytesIO", "file"],
)
def test_an_input_of_any_kind_is_sent_as_its_bytes(
    given: Callable[[Path], Any], home: Home, recorder: Recorder
) -> None:
    path = home.cwd / "in.png"
    path.write_bytes(INPUT)
    value = given(path)
    result = client(home, recorder.base_url).edit(value, "a hat")
    if hasattr(value, "close"):
        value.close()
    (part,) = recorder.only.files()
    assert (part.name, part.data, part.content_type) == ("image", INPUT, "image/png")
    assert part.filename and part.filename.endswith(".png")
    assert result.command == "edit" and home.leftovers() == []


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "I;16", "CMYK", "F", "YCbCr"])
def test_a_picture_of_pillow_is_sent_as_png(mode: str, home: Home, recorder: Recorder) -> None:
    client(home, recorder.base_url).edit(pillow(mode), "a hat")
    (part,) = recorder.only.files()
    with Image.open(io.BytesIO(part.data)) as sent:
        assert (sent.format, sent.size) == ("PNG", (64, 48))


def test_several_inputs_a_mask_and_paths_may_be_of_any_kinds_at_once(home: Home, recorder: Recorder) -> None:
    (home.cwd / "a.png").write_bytes(INPUT)
    given = (each for each in (home.cwd / "a.png", jpeg(), io.BytesIO(png(noise=b"c"))))
    mask = pillow("RGBA")
    client(home, recorder.base_url).edit(given, "a hat", mask=mask)
    parts = recorder.only.files()
    assert [part.name for part in parts] == ["image[]", "image[]", "image[]", "mask"]
    assert [part.filename for part in parts] == ["a.png", "image.jpeg", "image.png", "image.png"]


@pytest.mark.parametrize("given", [b"no image", io.BytesIO(b"no image")])
def test_bytes_that_are_no_image_are_told_as_bytes_and_not_by_a_file_of_ours(
    given: Any, home: Home, recorder: Recorder
) -> None:
    with pytest.raises(UsageError) as caught:
        client(home, recorder.base_url).edit(given, "a hat")
    assert "input image 1 (bytes)" in caught.value.message and str(home.tmp) not in caught.value.message
    assert recorder.requests == [] and home.leftovers() == []


def test_what_was_bytes_is_in_the_history_as_such_and_no_path_is_invented(
    home: Home, recorder: Recorder
) -> None:
    maker = client(home, recorder.base_url)
    maker.edit(INPUT, "a hat", output=home.cwd / "out.png")
    run = home.run("history", "show", "1", "--json")
    (file,) = run.json["request"]["inputs"]
    assert (file["source"], file["path"], file["bytes"]) == ("-", "", len(INPUT))


def test_without_an_output_the_image_is_in_memory_and_no_file_is_left(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(PICTURE, png(noise=b"2"))
    result = client(home, recorder.base_url).generate("a cat", n=2)
    assert [image.path for image in result.images] == [None, None]
    assert [image.bytes() for image in result.images] == [PICTURE, png(noise=b"2")]
    assert [image.number for image in result.images] == [1, 2]
    assert kept(home) == [] and list(home.cwd.iterdir()) == [] and list(home.root.glob("*.png")) == []


def test_until_it_is_handed_over_an_image_in_memory_is_safe_on_disk(home: Home, recorder: Recorder) -> None:
    found: list[bytes] = []

    def look(event: object) -> None:
        if type(event).__name__ == "ImageSaved":
            found.extend(path.read_bytes() for path in kept(home))

    client(home, recorder.base_url, observer=look).generate("a cat")
    assert found == [PICTURE]


def test_where_only_some_images_came_they_stay_on_disk_and_the_error_says_where(
    home: Home, recorder: Recorder
) -> None:
    with pytest.raises(PartialError) as caught:
        client(home, recorder.base_url).generate("a cat", n=3)
    assert caught.value.result is not None
    (image,) = caught.value.result.images
    assert [image.path] == kept(home) and image.bytes() == PICTURE


def test_a_binary_file_gets_the_bytes(home: Home, recorder: Recorder) -> None:
    out = io.BytesIO()
    result = client(home, recorder.base_url).generate("a cat", output=out)
    assert out.getvalue() == PICTURE and result.image.bytes() == PICTURE
    with (home.cwd / "raw.png").open("wb", buffering=0) as raw:
        client(home, recorder.base_url).generate("a dog", output=raw)
    assert (home.cwd / "raw.png").read_bytes() == PICTURE
    assert kept(home) == []


def test_a_file_that_takes_no_bytes_loses_no_image(home: Home, recorder: Recorder) -> None:
    class Full(io.RawIOBase):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError) as caught:
        client(home, recorder.base_url).generate("a cat", output=Full())
    error = caught.value
    assert error.result is not None and error.billed is Billed.YES
    assert [image.path for image in error.result.images] == kept(home) != []
    assert str(kept(home)[0]) in error.message


@pytest.mark.parametrize("output", ["cat.png", "folder/"])
def test_a_path_or_a_folder_is_as_ever(output: str, home: Home, recorder: Recorder) -> None:
    result = client(home, recorder.base_url).generate("a cat", output=f"{home.cwd}/{output}")
    assert result.image.path is not None and result.image.path.read_bytes() == PICTURE
    assert result.image.data is None and result.image.bytes() == PICTURE


def test_the_result_as_a_dict_is_the_object_of_the_command(home: Home, recorder: Recorder) -> None:
    target = home.cwd / "cat.png"
    ours = client(home, recorder.base_url).generate("a cat", output=target).to_dict()
    run = home.run("generate", "a cat", "-o", str(target), "--json", base_url=recorder.base_url)
    timeless = {**run.json, "elapsed_s": ours["elapsed_s"]}
    assert json.loads(json.dumps(ours)) == timeless
    in_memory: Any = client(home, recorder.base_url).generate("a cat").to_dict()
    assert in_memory["images"][0]["path"] is None
    in_memory["images"][0]["path"] = str(target)
    validate(in_memory, json.loads((REFERENCES / "result.schema.json").read_text(encoding="utf-8")))


def test_an_image_shows_itself_in_a_notebook_and_is_short_in_words(home: Home, recorder: Recorder) -> None:
    result = client(home, recorder.base_url).generate("a cat")
    shown, settings = result._repr_mimebundle_(include=None, exclude=None)
    assert shown["image/png"] == PICTURE and settings["image/png"]["width"] == 512
    assert result.image._repr_png_() == PICTURE
    assert repr(result.image) == "<SavedImage in memory: png, 1024x1024, 5 KB>"
    assert len(repr(result)) < 150
    assert result.image.pil().size == (1024, 1024)


def test_results_can_be_pickled_and_so_can_their_errors(home: Home, recorder: Recorder) -> None:
    maker = client(home, recorder.base_url)
    result = maker.generate("a cat")
    assert pickle.loads(pickle.dumps(result)) == result
    with pytest.raises(PartialError) as caught:
        maker.generate("a cat", n=2)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.message, again.billed, again.result) == (
        caught.value.message,
        Billed.YES,
        caught.value.result,
    )


def test_an_svg_has_bytes_and_no_pixels() -> None:
    image = SavedImage(None, 5, "svg", 4, 4, "", data=b"<svg/>")
    assert image.bytes() == b"<svg/>" and image._repr_mimebundle_()[0]["image/svg+xml"] == "<svg/>"
    with pytest.raises(UsageError):
        image.pil()


def test_the_fields_of_a_result_are_those_of_core() -> None:
    from gpt_image2.core.base.outcome import Result as CoreResult
    from gpt_image2.core.base.outcome import SavedImage as CoreImage

    assert Result.__match_args__ == CoreResult.__match_args__
    assert SavedImage.__match_args__ == (*CoreImage.__match_args__, "data")


def test_an_interrupted_program_finds_its_image_in_the_rescue_folder(home: Home) -> None:
    """Killed between the arrival of the image and its being handed over, as by the loss of power."""

    def talk(exchange: Exchange) -> None:
        exchange.answer(body_of([PICTURE]))

    code = (
        "import gpt_image2, os\n"
        "def die(event):\n"
        "    if isinstance(event, gpt_image2.ImageSaved): os._exit(9)\n"
        "gpt_image2.Client(observer=die).generate('a cat')\n"
    )
    import os
    import sys

    env = {"PYTHONPATH": os.pathsep.join(sys.path)}
    with serving(talk) as server:
        run = home.run_program(sys.executable, "-c", code, base_url=server.base_url, env=env)
    assert run.code == 9, run.stderr
    (path,) = kept(home)
    assert path.read_bytes() == PICTURE


def test_bytes_that_the_api_does_not_take_are_converted_as_files_are(home: Home, recorder: Recorder) -> None:
    tiff = io.BytesIO()
    Image.new("RGB", (64, 48), 7).save(tiff, "TIFF")
    result = client(home, recorder.base_url).edit(tiff.getvalue(), "a hat")
    (part,) = recorder.only.files()
    with Image.open(io.BytesIO(part.data)) as sent:
        assert (sent.format, sent.size) == ("PNG", (64, 48))
    assert part.filename == "image.png" and home.leftovers() == []
    assert not any(str(home.tmp) in warning for warning in result.warnings), result.warnings
