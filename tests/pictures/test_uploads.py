from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from canvases import Desk, edited_area, photo
from odd_files import H, W, odd_file
from PIL import Image, ImageCms

from gpt_image2.core.base.errors import UsageError
from gpt_image2.pictures.uploads import Upload, for_upload, mask_for_upload


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where made files go."""
    folder = tmp_path / "made"
    folder.mkdir()
    return folder


KINDS = {
    "heic": "it was heif",
    "avif": "it was avif",
    "gif": "the first of 2 frames",
    "bmp": "it was bmp",
    "tiff": "it was tiff",
    "jpg cmyk": "CMYK turned into RGB",
    "jpg rotated": "turned upright (EXIF orientation 6)",
    "png palette": "palette turned into colours",
}


@pytest.mark.parametrize("kind, said", KINDS.items(), ids=KINDS)
def test_pictures_as_people_have_them_become_files_that_the_api_takes(
    desk: Desk, out: Path, kind: str, said: str
) -> None:
    path = odd_file(desk, kind)
    before = path.read_bytes()
    upload = for_upload(str(path), out)
    assert upload.is_made
    assert said in upload.said
    assert Path(upload.path).parent == out
    assert path.read_bytes() == before
    with Image.open(upload.path) as image:
        assert image.format in ("PNG", "JPEG")
        assert image.mode == "RGB"
        assert image.size == upload.size == (W, H)
        off = np.abs(np.asarray(image).astype(int) - photo(W, H)).mean()
    assert off < 12, "it shows the same"


@pytest.mark.parametrize("kind", ["png 16 grey", "png 16 colour", "tiff 16"])
def test_sixteen_bits_keep_their_light_parts(desk: Desk, out: Path, kind: str) -> None:
    upload = for_upload(str(odd_file(desk, kind)), out)
    assert "16 bits a channel reduced to 8" in upload.said
    with Image.open(upload.path) as image:
        assert np.asarray(image)[H // 2, W - 10].tolist() in ([233] * 3, [234] * 3)
        if "png" in kind:
            assert np.asarray(image)[H // 2, 10].tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_what_the_api_takes_is_left_as_it_is(desk: Desk, out: Path, kind: str) -> None:
    path = odd_file(desk, kind)
    assert for_upload(str(path), out) == Upload(str(path), str(path), (W, H))
    assert not list(out.iterdir())


def test_a_phones_colours_are_turned_into_those_of_the_web(desk: Desk, out: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(photo(W, H))
    image.save(desk.path("in.tiff"), icc_profile=profile)
    upload = for_upload(str(desk.path("in.tiff")), out)
    with Image.open(upload.path) as made:
        assert "icc_profile" not in made.info
        assert np.abs(np.asarray(made).astype(int) - photo(W, H)).max() <= 2


def test_more_pixels_than_the_api_takes_are_scaled_down_and_their_mask_with_them(
    desk: Desk, out: Path
) -> None:
    Image.new("RGB", (4800, 1200), (9, 99, 200)).save(desk.path("in.png"), compress_level=1)
    upload = for_upload(str(desk.path("in.png")), out)
    assert upload.size == (3840, 960)
    assert "scaled from 4800x1200 to 3840x960" in upload.said
    drawn = np.zeros((1200, 4800), np.uint8)
    drawn[:600] = 255
    drawn[:, 4000:] = 0
    desk.save("mask.png", drawn)
    mask = mask_for_upload(str(desk.path("mask.png")), str(desk.path("in.png")), out)
    with Image.open(mask.path) as image:
        area = edited_area(np.asarray(image))
    assert area.shape == (960, 3840)
    assert area[:478, :3198].all()
    assert not area[482:].any()


def test_over_50_mb_becomes_lighter_and_nothing_else(
    desk: Desk, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpt_image2.pictures.uploads.MAX_INPUT_BYTES", 60_000)
    upload = for_upload(str(odd_file(desk, "png")), out)
    assert Path(upload.path).stat().st_size < 60_000
    assert upload.size == (W, H)
    assert "to stay under 50 MB" in upload.said


@pytest.mark.parametrize("how", ["white", "alpha"])
def test_a_mask_is_made_fit_and_one_that_fits_is_left_as_it_is(desk: Desk, out: Path, how: str) -> None:
    desk.save("photo.png", photo(W, H))
    if how == "white":
        drawn = np.zeros((H, W), np.uint8)
        drawn[10:50, 10:50] = 255
        desk.save("mask.png", drawn)
    else:
        desk.ok("mask", "photo.png", "--rect", "10,10,40,40", "-o", "mask.png")
    upload = mask_for_upload(str(desk.path("mask.png")), str(desk.path("photo.png")), out)
    assert upload.is_made == (how == "white")
    with Image.open(upload.path) as image:
        assert edited_area(np.asarray(image)).sum() == 1600


@pytest.mark.parametrize("level", [0, 255])
def test_a_mask_that_edits_nothing_or_everything_is_refused(desk: Desk, out: Path, level: int) -> None:
    desk.save("photo.png", photo(W, H))
    desk.save("mask.png", np.full((H, W), level, np.uint8))
    with pytest.raises(UsageError, match="would edit"):
        mask_for_upload(str(desk.path("mask.png")), str(desk.path("photo.png")), out)


def test_a_mask_of_an_upright_photo_hits_the_right_place(desk: Desk, out: Path) -> None:
    path = odd_file(desk, "jpg rotated")
    desk.ok("mask", path, "--rect", "0,0,100,60", "-o", "mask.png")
    picture = for_upload(str(path), out)
    mask = mask_for_upload(str(desk.path("mask.png")), str(path), out)
    with Image.open(picture.path) as image, Image.open(mask.path) as drawn:
        assert image.size == drawn.size == (W, H)
        area = edited_area(np.asarray(drawn))
        off = np.abs(np.asarray(image)[area].astype(int) - photo(W, H)[:60, :100].reshape(-1, 3))
    assert off.mean() < 8


@pytest.mark.parametrize("kind", ["jpg", "webp", "png"])
def test_the_place_where_a_photo_was_taken_is_not_in_a_file_made_of_it(
    desk: Desk, out: Path, kind: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    desk.save(f"in.{kind}", photo(W, H), exif=exif)
    upload = for_upload(str(desk.path(f"in.{kind}")), out)
    desk.ok("fit", f"in.{kind}", "-o", "made.webp")
    for path in (upload.path, desk.path("made.webp")):
        with Image.open(path) as image:
            assert dict(image.getexif()) == {}


def test_neither_a_comment_nor_a_profile_for_print_is_in_a_file_made_of_a_picture(
    desk: Desk, out: Path
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(photo(W, H)).convert("CMYK")
    image.save(desk.path("in.jpg"), icc_profile=profile, comment=b"taken at home")
    upload = for_upload(str(desk.path("in.jpg")), out)
    desk.ok("fit", "in.jpg", "-o", "made.png")
    for path in (upload.path, desk.path("made.png")):
        with Image.open(path) as made:
            assert not {"comment", "icc_profile"} & made.info.keys()
