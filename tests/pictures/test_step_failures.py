"""Whatever befalls a step after a paid call: the image is there, the call is a success, and all is said."""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from canvases import Desk, photo
from harness import KEY
from ledgers import rows_of
from painting import paint, painted
from PIL import Image
from servers import Answer, Recorder, Request, images

from gpt_image2.core.base.errors import InterruptedCall
from gpt_image2.core.outputs import store
from gpt_image2.pictures.steps import Steps

EXACT = ("generate", "a cat", "--exact", "1200x630", "-o", "cat.png")
KEEP = ("edit", "room.png", "a sofa", "--area", "100,60,120,90", "--keep-outside", "-o", "cat.png")


@pytest.fixture
def model(desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A model that paints, which the commands at the desk ask."""
    monkeypatch.setenv("GPT_IMAGE2_API_KEY", KEY)
    monkeypatch.setenv("GPT_IMAGE2_BASE_URL", recorder.base_url)
    desk.save("room.png", photo(320, 240))
    paint(recorder)
    return recorder


def fails(error: BaseException) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


def is_what_came(desk: Desk, told: dict, model: Recorder) -> None:
    """The model's image has the name that was asked for, and nothing else is left of it."""
    (image,) = told["images"]
    assert (told["ok"], told["billed"]) == (True, "yes")
    assert image["path"] == str(desk.path("cat.png"))
    assert image.get("method", "as it came") == "as it came"
    assert desk.path("cat.png").read_bytes() == sent_by(model)
    assert [name for name in desk.names() if "cat" in name or name.endswith(".part")] == ["cat.png"]
    past = desk.ok("history", "show", "1")["request"]
    assert [each["path"] for each in past["images"]] == [image["path"]]
    assert (past["status"], past["derived"]) == ("saved", [])


def image_in(answer: Answer) -> bytes:
    """The one image of an answer."""
    return base64.b64decode(json.loads(answer.body)["data"][0]["b64_json"])


def sent_by(model: Recorder) -> bytes:
    """What the model has sent for the one request that came."""
    return image_in(model.answer(model.only))


def test_what_shows_something_else_is_saved_as_it_came(desk: Desk, model: Recorder) -> None:
    paint(model, repaint=True)
    told = desk.ok(*KEEP)
    is_what_came(desk, told, model)
    why, where = told["warnings"]
    assert "not laid over its source: it does not show the same outside the mask" in why
    assert where == f"what the model sent is saved as it came: {desk.path('cat.png')}"


@pytest.mark.parametrize(
    "error",
    [ValueError("a defect"), MemoryError(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))],
    ids=["defect", "memory", "disk"],
)
def test_a_step_that_raises_leaves_what_the_model_sent(
    desk: Desk, model: Recorder, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(Steps, "after", fails(error))
    told = desk.ok(*EXACT)
    is_what_came(desk, told, model)
    assert told["warnings"][0].startswith("the picture could not be finished: ")


def test_a_disk_that_is_full_keeps_what_the_model_sent(
    desk: Desk, model: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the image that came, and not one byte more; the record of the answer is elsewhere."""
    monkeypatch.setattr(store.Spool, "flush", lambda _: None)
    write_all, taken = store.write_all, [0]
    room = len(painted(Request("POST", "/v1/images/generations", (), b'{"size": "1200x640"}')))

    def write(file: IO[bytes], data: bytes) -> None:
        if taken[0] >= room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken[0] += len(data)
        write_all(file, data)

    monkeypatch.setattr(store, "write_all", write)
    told = desk.ok(*EXACT)
    is_what_came(desk, told, model)
    assert "No space left on device" in told["warnings"][0]


def test_a_name_that_cannot_be_given_leaves_the_image_where_it_is(
    desk: Desk, model: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Steps, "after", fails(ValueError("a defect")))
    monkeypatch.setattr(store, "check_replaceable", fails(PermissionError(13, "Permission denied")))
    told = desk.ok(*EXACT)
    assert told["images"][0]["path"] == str(desk.path("cat.model.png"))
    assert told["warnings"][-1] == (
        f"what the model sent stays {desk.path('cat.model.png')}: Permission denied"
    )


def test_an_interruption_while_a_picture_is_finished_ends_with_what_came(
    desk: Desk, model: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Steps, "after", fails(InterruptedCall("interrupted", signum=2)))
    done = desk.run("generate", "a cat", "--n", "2", *EXACT[2:], "--json")
    assert done.code == 130
    assert done.json["billed"] == "yes"
    assert [Path(image["path"]).name for image in done.json["images"]] == ["cat-1.png", "cat-2.png"]
    assert "do not send the request again" in done.json["error"]["hint"]


def test_of_a_call_that_brought_too_few_all_that_came_is_finished(desk: Desk, model: Recorder) -> None:
    answer = model.answer
    model.answer = lambda request: images(image_in(answer(request)))
    done = desk.run("generate", "a cat", "--n", "2", *EXACT[2:], "--json")
    assert done.code == 9
    (image,) = done.json["images"]
    assert (image["method"], image["width"]) == ("exact", 1200)


def test_an_image_that_had_to_be_rescued_is_left_as_it_came(
    desk: Desk, model: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder goes while the call runs."""
    answer = model.answer
    desk.path("out").mkdir()

    def and_remove(request: object) -> Answer:
        desk.path("out").rmdir()
        return answer(request)  # pyright: ignore[reportArgumentType]

    model.answer = and_remove  # pyright: ignore[reportAttributeAccessIssue]
    done = desk.run("generate", "a cat", "--exact", "1200x630", "-o", "out/cat.png", "--json")
    assert done.code == 8
    (image,) = done.json["images"]
    assert "rescued" in image["path"]
    assert Path(image["path"]).stat().st_size == image["bytes"]


def test_a_kill_while_a_picture_is_finished_loses_nothing(desk: Desk, model: Recorder) -> None:
    code = (
        "import os, sys\n"
        "from gpt_image2.pictures.steps import Steps\n"
        "Steps.after = lambda *_: os._exit(9)\n"
        "from gpt_image2.core.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *EXACT], cwd=desk.folder, check=False)
    assert done.returncode == 9
    assert desk.path("cat.model.png").read_bytes() == sent_by(model)
    ledger = Path(os.environ["HOME"], ".local/state/gpt-image-2/ledger.sqlite3")
    (row,) = rows_of(ledger, "images")
    assert row["path"] == str(desk.path("cat.model.png"))
    assert not desk.path("cat.png").exists()


def test_a_source_that_was_changed_meanwhile_is_not_put_back(desk: Desk, model: Recorder) -> None:
    answer = model.answer

    def change(request: Request) -> Answer:
        desk.save("room.png", photo(320, 240, seed=9))
        return answer(request)

    model.answer = change
    told = desk.ok(*KEEP)
    assert any("room.png was changed while the call was under way" in said for said in told["warnings"])
    assert told["images"][0].get("method", "as it came") == "as it came"


TO_RESUME = {
    "exact": (EXACT, [" fit "], (1200, 630)),
    "an area": (KEEP, [" mask ", " compose "], (320, 240)),
    "an area, exactly": ((*KEEP, "--exact", "160x100"), [" mask ", " compose ", " fit "], (160, 100)),
    "a cut-out": (("generate", "a cat", "--cutout", "-o", "cat.png"), [" cutout "], (1024, 1024)),
    "wider": (("edit", "room.png", "a sofa", "--extend", "all=150%", "-o", "cat.png"), [], ()),
}


@pytest.mark.parametrize("words, commands, size", TO_RESUME.values(), ids=TO_RESUME)
def test_resume_says_which_commands_make_the_picture_of_what_it_has_fetched(
    desk: Desk, model: Recorder, words: tuple[str, ...], commands: list[str], size: tuple[int, ...]
) -> None:
    files = {}

    def answer(request: Request) -> Answer:
        if request.method == "GET":
            return files.get("now", Answer(404))
        data = painted(request) if "--cutout" not in words else on_green()
        files["later"] = Answer(body=data)
        return Answer(body=json.dumps({"data": [{"url": f"{model.root}/cat.png"}]}).encode())

    model.answer = answer
    assert desk.run(*words).code == 7
    files["now"] = files["later"]
    (call,) = desk.ok("resume")["calls"]
    assert [Path(image["path"]).name for image in call["images"]] == ["cat.model.png"]
    (then,) = call["then"]
    lines = then.split(" && ")
    if not commands:
        assert lines == [
            f"the source cannot be put back: {desk.path('cat.model.png')} is all as the model painted it"
        ]
        return
    assert [word for line, word in zip(lines, commands, strict=True) if word in line] == commands
    for line in lines:
        program, *rest = shlex.split(line)
        assert program == "gpt-image2"
        desk.ok(*rest)
    with Image.open(desk.path("cat.png")) as made:
        assert made.size == size


def on_green(right: int = 700) -> bytes:
    image = Image.new("RGB", (1024, 1024), (0, 255, 0))
    image.paste((120, 60, 40), (300, 300, right, 700))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_a_call_in_passing_says_it_too_and_nothing_is_said_of_a_finished_picture(
    desk: Desk, model: Recorder
) -> None:
    def answer(request: Request) -> Answer:
        if request.method == "GET":
            is_second = request.path == "/2.png"
            return Answer(404) if is_second and not later else Answer(body=on_green(600 + 50 * is_second))
        urls = [f"{model.root}/{number}.png" for number in range(1, 3)]
        return Answer(body=json.dumps({"data": [{"url": url} for url in urls]}).encode())

    later: list[bool] = []
    model.answer = answer
    assert desk.run(*EXACT, "--n", "2").code == 9
    later.append(True)
    model.answer = lambda request: answer(request) if request.method == "GET" else images(on_green())
    warnings = desk.ok("generate", "a dog", "-o", "dog.png")["warnings"]
    (said,) = (warning for warning in warnings if "still to be made" in warning)
    assert f" fit {desk.path('cat.model-2.png')} --exact 1200x630 -o {desk.path('cat-2.png')}" in said
