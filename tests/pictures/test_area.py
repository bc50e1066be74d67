"""`--area`: a mask of plain shapes, made by the bare script."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from canvases import Desk, edited_area, photo
from harness import SCRIPT, Home, Sandbox
from hypothesis import given, settings
from hypothesis import strategies as st
from painting import sent_files
from PIL import Image
from servers import Recorder

from gpt_image2.core.api.area_masks import area_mask
from gpt_image2.core.api.request import InputImage
from gpt_image2.core.base.errors import UsageError
from gpt_image2.pictures.files import Picture
from gpt_image2.pictures.masks import make_mask
from gpt_image2.pictures.shapes import MaskPlan, parse_box

W, H = 96, 64


def image_of(width: int = W, height: int = H) -> InputImage:
    return InputImage("in.png", "in.png", "png", width, height, 1, False, "in.png", made_from="in.png")


def area_of(*texts: str, size: tuple[int, int] = (W, H)) -> np.ndarray:
    """What a mask of these areas edits, as Pillow reads it."""
    mask, data = area_mask(texts, image_of(*size), Path("area.png"))
    assert mask.size_bytes == len(data)
    with Image.open(io.BytesIO(data)) as drawn:
        drawn.verify()
    with Image.open(io.BytesIO(data)) as drawn:
        assert (drawn.mode, drawn.size) == ("RGBA", size)
        pixels = np.asarray(drawn)
    assert set(np.unique(pixels[..., 3])) <= {0, 255}
    return edited_area(pixels)


def test_an_area_is_edited_and_nothing_else() -> None:
    area = area_of("10,20,30,8")
    assert area[20:28, 10:40].all()
    assert area.sum() == 240


PLACES = st.one_of(
    st.integers(-20, 120).map(str),
    st.integers(-20, 120).map(lambda value: f"{value}%"),
    st.floats(0, 1).map(lambda value: f"{value:.3f}"),
)
BOXES = st.tuples(PLACES, PLACES, PLACES, PLACES).map(",".join)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(["", "ellipse:"]), BOXES), min_size=1, max_size=3))
def test_property_areas_are_those_that_the_command_mask_draws(shapes: list[tuple[str, str]]) -> None:
    picture = Picture("in.png", Image.new("RGB", (W, H)), "png", (W, H), 1)
    try:
        plan = MaskPlan(tuple(parse_box(box, kind.rstrip(":") or "rect") for kind, box in shapes))
        expected = make_mask(picture, plan).area >= 128
    except UsageError:
        expected = None
    try:
        found = area_of(*(kind + box for kind, box in shapes))
    except UsageError:
        found = None
    # A centre that lies exactly on an ellipse may be taken for in or out of it.
    tolerated = 4 if any(kind for kind, _ in shapes) else 0
    if found is None or expected is None:
        assert tolerated or (found is None and expected is None)
    else:
        assert (found != expected).sum() <= tolerated


REFUSED = {
    "no shape": ("10,20,30", "needs X,Y,W,H"),
    "no number": ("a,b,c,d", "is not understood"),
    "another shape": ("star:1,2,3,4", "is not understood"),
    "no area": ("10,20,0,8", "has no area"),
    "outside": ("2000,0,5,5", "lies outside the picture"),
    "beyond all bounds": ("1e999,0,5,5", "is not understood"),
    "far away": ("99999999999999,0,5,5", "out of all bounds"),
    "all of it": ("0,0,100%,100%", "everything would be edited"),
}


@pytest.mark.parametrize("area, words", REFUSED.values(), ids=REFUSED)
def test_an_area_that_is_none_is_refused_before_anything_is_sent(
    home: Home, recorder: Recorder, area: str, words: str
) -> None:
    Image.fromarray(photo(W, H)).save(home.cwd / "in.png")
    run = home.run("edit", "in.png", "a hat", "--area", area, base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])
    (line,) = run.stderr.splitlines()
    assert words in line


@pytest.mark.parametrize("more", [["--mask", "mask.png"], ["--extend", "left=10%"]])
def test_an_area_and_another_mask_are_refused(home: Home, recorder: Recorder, more: list[str]) -> None:
    Image.fromarray(photo(W, H)).save(home.cwd / "in.png")
    Image.new("RGBA", (W, H), (0, 0, 0, 0)).save(home.cwd / "mask.png")
    args = ("edit", "in.png", "a hat", "--area", "1,1,5,5", *more)
    run = home.run(*args, base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])
    assert "makes the mask itself" in run.stderr


def old_python() -> str:
    """A Python 3.8, else this one."""
    found = [Path(sys.executable), *Path.home().glob(".pyenv/versions/3.8.*/bin/python")]
    return str(found[-1])


def test_the_bare_script_makes_the_mask_and_the_sandbox_takes_it(
    home: Home, sandbox: Sandbox, prompt: str
) -> None:
    Image.fromarray(photo(1024, 768)).save(home.cwd / "room.png")
    words = ["--area", "10%,10%,20%,20%", "--area", "ellipse:50%,50%,30%,30%", "-o", "out.png"]
    bare = [old_python(), "-I", "-S", str(SCRIPT), "edit", "room.png", prompt, *words]
    run = home.run_program(*bare, base_url=sandbox.base_url)
    assert run.code == 0, run.stderr
    changed = (np.asarray(Image.open(home.cwd / "out.png")) != photo(1024, 768)).any(axis=-1)
    ys, xs = np.mgrid[0:768, 0:1024] + 0.5
    wished = ((xs >= 102.4) & (xs < 307.2) & (ys >= 76.8) & (ys < 230.4)) | (
        ((xs - 665.6) / 153.6) ** 2 + ((ys - 499.2) / 115.2) ** 2 <= 1
    )
    assert not changed[~wished].any()
    assert changed[wished].mean() > 0.9


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_an_area_of_a_turned_photo_lies_where_it_is_seen(
    home: Home, recorder: Recorder, orientation: int
) -> None:
    """The bare script sends the photo as it is, and the mask as the photo is seen."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photo(W, H)).save(home.cwd / "in.jpg", exif=exif)
    run = home.run("edit", "in.jpg", "a hat", "--area", "0,0,10,20", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    sent = sent_files(recorder.only)
    assert sent["image"].size == (W, H)
    seen = (W, H) if orientation == 3 else (H, W)
    assert sent["mask"].size == seen
    assert edited_area(np.asarray(sent["mask"]))[:20, :10].all()


def test_an_edit_by_areas_is_sent_again_with_its_mask(home: Home, recorder: Recorder) -> None:
    Image.fromarray(photo(W, H)).save(home.cwd / "in.png")
    words = ("--area", "1, 1, 50%, 9", "--area", "ellipse:50%,1,9,9", "-o", "out.png")
    assert home.run("edit", "in.png", "a hat", *words, base_url=recorder.base_url).code == 0
    again = home.run("history", "redo", "1", base_url=recorder.base_url)
    assert again.code == 0, again.stderr
    one, two = (sent_files(request)["mask"].tobytes() for request in recorder.requests)
    assert one == two
    past = home.run("history", "show", "1", "--json").json["request"]["mask"]
    assert (past["path"], past["source"]) == ("", "--area 1,1,50%,9 --area ellipse:50%,1,9,9")


def test_the_script_without_what_lies_beside_it_says_what_is_missing(home: Home, recorder: Recorder) -> None:
    lone = home.cwd / "gpt_image2.py"
    shutil.copy(SCRIPT, lone)
    Image.fromarray(photo(W, H)).save(home.cwd / "in.png")
    Image.new("RGBA", (W, H), (0, 0, 0, 0)).save(home.cwd / "mask.png")
    python = [sys.executable, "-I", "-S", str(lone)]
    run = home.run_program(*python, "edit", "in.png", "a", "--area", "1,1,5,5", base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])
    assert "gpt_image2_more.py is not beside this script" in run.stderr
    help_text = subprocess.run([*python, "edit", "--help"], capture_output=True, text=True, check=True).stdout
    assert "--mask" in help_text
    assert "--area" not in help_text
    done = home.run_program(*python, "edit", "in.png", "a", "--mask", "mask.png", base_url=recorder.base_url)
    assert done.code == 0, done.stderr


def test_the_help_of_edit_tells_of_the_flags(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        desk.run("edit", "--help")
    from gpt_image2.core.commands.options import PICTURE_FLAGS

    text = capsys.readouterr().out
    assert [flag for flag in PICTURE_FLAGS if f"  {flag} " not in text] == []
