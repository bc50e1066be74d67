"""Where the images go, what they are called, and what happens to what was there before."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import List

import pytest
from harness import Home
from pictures import jpeg, png
from servers import Recorder, images, refusal

PICTURE = png(1024, 1024)


def warnings_of(stderr: str) -> List[str]:
    return [line for line in stderr.splitlines() if line.startswith("warning: ")]


def test_several_images_are_numbered_before_the_extension(home: Home, recorder: Recorder) -> None:
    pictures = [png(1024, 1024, noise=bytes([number + 65])) for number in range(3)]
    recorder.answer = lambda request: images(*pictures)
    run = home.run("generate", "a cat", "--n", "3", "-o", "cat.png", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert run.saved == [home.cwd / f"cat-{number}.png" for number in (1, 2, 3)]
    assert [path.read_bytes() for path in run.saved] == pictures
    assert len(list(home.cwd.iterdir())) == 3


def test_several_images_are_numbered_from_one_request(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(PICTURE, PICTURE)
    home.run("generate", "a cat", "--n", "2", "-o", "cat.png", base_url=recorder.base_url)
    assert recorder.only.json["n"] == 2


@pytest.mark.parametrize("output", ["new/", "existing", "existing/", "deep/new/"])
def test_in_a_folder_the_name_is_made_of_time_and_prompt(home: Home, recorder: Recorder, output: str) -> None:
    (home.cwd / "existing").mkdir()
    run = home.run("generate", "A cute cat, über all!", "-o", output, base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    (path,) = run.saved
    assert path.parent == home.cwd / output
    assert re.fullmatch(r"\d{8}-\d{6}-a-cute-cat-über-all\.png", path.name)
    assert path.read_bytes() == PICTURE


def test_in_a_folder_the_extension_is_that_of_the_format(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(jpeg(1024, 1024))
    run = home.run("generate", "a cat", "-o", "d/", "--format", "jpeg", base_url=recorder.base_url)
    assert run.saved[0].suffix == ".jpg"
    assert warnings_of(run.stderr) == []


def test_two_calls_into_one_folder_never_replace_each_others_images(home: Home, recorder: Recorder) -> None:
    paths = [
        path
        for _ in range(3)
        for path in home.run("generate", "a cat", "-o", "d/", base_url=recorder.base_url).saved
    ]
    assert len(set(paths)) == 3 == len(list((home.cwd / "d").iterdir()))


def test_missing_folders_of_the_output_are_made(home: Home, recorder: Recorder) -> None:
    run = home.run("generate", "a cat", "-o", "a/b/c.png", base_url=recorder.base_url)
    assert run.saved == [home.cwd / "a" / "b" / "c.png"]


def test_a_dash_writes_just_the_image_to_stdout(home: Home, recorder: Recorder) -> None:
    process = home.start("generate", "a cat", "-o", "-", base_url=recorder.base_url)
    stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (0, PICTURE)
    assert b"Saved" not in stderr and b"HTTP 200" in stderr
    assert [path for path in home.root.rglob("*") if path.is_file()] == [home.ledger]
    assert list(home.cwd.iterdir()) == []


def test_an_image_that_a_closed_stdout_does_not_take_is_kept(home: Home, recorder: Recorder) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = home.start("generate", "a cat", "-o", "-", base_url=recorder.base_url, stdout=write_end)
    os.close(write_end)
    _, stderr = process.communicate()
    (kept,) = home.rescued.iterdir()
    assert process.returncode == 8
    assert kept.read_bytes() == PICTURE
    text = stderr.decode()
    (error,) = [line for line in text.splitlines() if line.startswith("error: ")]
    assert str(kept) in error
    assert "Exception" not in text and "Traceback" not in text
    assert "billed: yes" in text


@pytest.mark.parametrize("args", [["--n", "2"], ["--json"]])
def test_a_dash_cannot_be_joined_with_what_also_wants_stdout(
    home: Home, recorder: Recorder, args: List[str]
) -> None:
    run = home.run("generate", "a cat", "-o", "-", *args, base_url=recorder.base_url)
    assert run.code == 2
    assert recorder.requests == []


def test_further_images_than_a_dash_can_take_are_kept_and_named(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(PICTURE, png(1024, 1024, noise=b"more"))
    process = home.start("generate", "a cat", "-o", "-", base_url=recorder.base_url)
    stdout, stderr = process.communicate()
    (kept,) = home.rescued.iterdir()
    assert (process.returncode, stdout) == (0, PICTURE)
    assert kept.read_bytes() == png(1024, 1024, noise=b"more")
    assert str(kept) in stderr.decode()


@pytest.mark.parametrize("name", ["cat", "cat.jpg", "cat.image", "cat.v2"])
def test_a_name_without_the_extension_of_the_format_is_kept_with_a_warning(
    home: Home, recorder: Recorder, name: str
) -> None:
    run = home.run("generate", "a cat", "-o", name, base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert run.saved == [home.cwd / name]
    (warning,) = warnings_of(run.stderr)
    assert "png" in warning and name in warning


@pytest.mark.parametrize(
    ("name", "output_format"), [("a.PNG", "png"), ("a.jpg", "jpeg"), ("a.JPEG", "jpg"), ("a.webp", "webp")]
)
def test_a_matching_extension_is_not_warned_about(
    home: Home, recorder: Recorder, name: str, output_format: str
) -> None:
    from pictures import webp

    made = {"png": PICTURE, "webp": webp(1024, 1024)}.get(output_format, jpeg(1024, 1024))
    recorder.answer = lambda request: images(made)
    run = home.run("generate", "a cat", "-o", name, "--format", output_format, base_url=recorder.base_url)
    assert warnings_of(run.stderr) == []


def test_no_clobber_takes_the_next_free_name(home: Home, recorder: Recorder) -> None:
    (home.cwd / "cat.png").write_bytes(b"old")
    (home.cwd / "cat-1.png").write_bytes(b"older")
    run = home.run("generate", "a cat", "-o", "cat.png", "--no-clobber", base_url=recorder.base_url)
    assert run.saved == [home.cwd / "cat-2.png"]
    assert run.saved[0].read_bytes() == PICTURE
    assert (home.cwd / "cat.png").read_bytes() == b"old"
    assert (home.cwd / "cat-1.png").read_bytes() == b"older"


def test_no_clobber_with_several_images_replaces_none(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(PICTURE, PICTURE)
    (home.cwd / "cat-1.png").write_bytes(b"old")
    run = home.run(
        "generate", "a cat", "--n", "2", "-o", "cat.png", "--no-clobber", base_url=recorder.base_url
    )
    assert run.code == 0, run.stderr
    assert (home.cwd / "cat-1.png").read_bytes() == b"old"
    assert len(set(run.saved)) == 2
    assert {path.read_bytes() for path in run.saved} == {PICTURE}


def test_no_clobber_does_not_follow_a_link_that_leads_nowhere(home: Home, recorder: Recorder) -> None:
    (home.cwd / "cat.png").symlink_to("nowhere.png")
    run = home.run("generate", "a cat", "-o", "cat.png", "--no-clobber", base_url=recorder.base_url)
    assert run.saved == [home.cwd / "cat-1.png"]
    assert not (home.cwd / "nowhere.png").exists()


def test_an_existing_file_is_replaced_whole_and_keeps_its_mode(home: Home, recorder: Recorder) -> None:
    target = home.cwd / "cat.png"
    target.write_bytes(b"old")
    target.chmod(0o604)
    with target.open("rb") as old:
        run = home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url)
        assert run.code == 0, run.stderr
        assert old.read() == b"old", "the old file was written over instead of replaced"
    assert target.read_bytes() == PICTURE
    assert stat.S_IMODE(target.stat().st_mode) == 0o604


def test_a_new_file_has_the_mode_that_the_umask_leaves(home: Home, recorder: Recorder) -> None:
    process = home.start(
        "generate", "a cat", "-o", "cat.png", base_url=recorder.base_url, preexec_fn=lambda: os.umask(0o027)
    )
    process.communicate()
    assert stat.S_IMODE((home.cwd / "cat.png").stat().st_mode) == 0o640


def test_a_link_is_followed_and_stays_a_link(home: Home, recorder: Recorder) -> None:
    real = home.cwd / "elsewhere" / "real.png"
    real.parent.mkdir()
    real.write_bytes(b"old")
    (home.cwd / "cat.png").symlink_to(real)
    run = home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url)
    assert run.saved == [home.cwd / "cat.png"]
    assert (home.cwd / "cat.png").is_symlink()
    assert real.read_bytes() == PICTURE
    assert home.leftovers() == []
    assert [path.name for path in real.parent.iterdir()] == ["real.png"]


def test_a_link_into_a_missing_folder_is_prepared_before_anything_is_paid_for(
    home: Home, recorder: Recorder
) -> None:
    (home.cwd / "blocked").write_bytes(b"a file")
    (home.cwd / "cat.png").symlink_to(home.cwd / "blocked" / "real.png")
    run = home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url)
    assert run.code == 2, run.stderr
    assert recorder.requests == []


NAMES = [
    "with space.png",
    "bild-ä-画像-🎨.png",
    "'quoted' \"twice\".png",
    "a;b&c|d.png",
    "100%.png",
    "12:30 o'clock.png",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_file_name_may_be_written(home: Home, recorder: Recorder, name: str) -> None:
    run = home.run("generate", "a cat", "-o", name, base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert run.saved == [home.cwd / name]
    assert (home.cwd / name).read_bytes() == PICTURE


def test_a_file_name_that_is_no_text_may_be_written(home: Home, recorder: Recorder) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    for args in ([], ["--json"]):
        run = home.run("generate", "a cat", "-o", name, *args, base_url=recorder.base_url)
        assert run.code == 0, run.stderr
        path = Path(run.json["images"][0]["path"]) if args else run.saved[0]
        assert path == home.cwd / name
        assert path.read_bytes() == PICTURE
        path.unlink()


def test_what_json_prints_is_utf_8_whatever_the_file_is_called(home: Home, recorder: Recorder) -> None:
    process = home.start(
        "generate", "a cat", "-o", os.fsdecode(b"caf\xe9.png"), "--json", base_url=recorder.base_url
    )
    stdout, _ = process.communicate()
    stdout.decode("utf-8")


@pytest.mark.parametrize("letter", ["x", "画"])
def test_a_name_longer_than_file_systems_take_is_refused_before_paying(
    home: Home, recorder: Recorder, letter: str
) -> None:
    run = home.run("generate", "a cat", "-o", letter * 252 + ".png", base_url=recorder.base_url)
    assert run.code == 2, run.stderr
    assert run.stderr.startswith("error: ") and len(run.stderr.splitlines()) == 1
    assert recorder.requests == []


def test_the_longest_name_that_file_systems_take_is_written(home: Home, recorder: Recorder) -> None:
    name = "x" * 251 + ".png"
    run = home.run("generate", "a cat", "-o", name, base_url=recorder.base_url)
    assert run.saved == [home.cwd / name]


@pytest.mark.parametrize("char", ["画", "x", "🎨"])
def test_a_long_prompt_makes_a_name_that_fits(home: Home, recorder: Recorder, char: str) -> None:
    run = home.run("generate", char * 5000, "-o", "d/", base_url=recorder.base_url)
    assert run.code == 0, run.stderr


@pytest.mark.parametrize("prompt", ["../../etc/passwd", "/", "..", "a/b\\c", "-rf"])
def test_a_name_made_from_a_prompt_stays_in_its_folder(home: Home, recorder: Recorder, prompt: str) -> None:
    run = home.run("generate", "-o", "d/", "--", prompt, base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert run.saved[0].parent == home.cwd / "d"


def test_nothing_is_left_where_the_server_refuses(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: refusal(400, "No.")
    (home.cwd / "cat.png").write_bytes(b"old")
    run = home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url)
    assert run.code == 6
    assert run.stdout == ""
    assert [(path.name, path.read_bytes()) for path in home.cwd.iterdir()] == [("cat.png", b"old")]
    assert home.leftovers() == []
    assert [path for path in home.root.rglob("*") if path.is_file()] == [home.ledger]


def test_the_one_json_object_tells_all_about_the_images(home: Home, recorder: Recorder) -> None:
    import hashlib

    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    outcome = run.json
    elapsed = outcome.pop("elapsed_s")
    assert isinstance(elapsed, float)
    assert outcome == {
        "ok": True,
        "command": "generate",
        "model": "gpt-image-2",
        "images": [
            {
                "path": str(home.cwd / "cat.png"),
                "bytes": len(PICTURE),
                "format": "png",
                "width": 1024,
                "height": 1024,
                "sha256": hashlib.sha256(PICTURE).hexdigest(),
            }
        ],
        "usage": {"input_tokens": 13, "output_tokens": 196, "total_tokens": 209},
        "cost_usd": 0.005945,
        "billed": "yes",
        "http_status": 200,
        "request_id": None,
        "attempts": 1,
        "warnings": [],
    }


def test_the_one_json_object_of_a_failure_tells_what_went_wrong(home: Home, recorder: Recorder) -> None:
    def answer(request: object) -> object:
        return refusal(401, "Incorrect API key provided.", "invalid_api_key")._replace(
            headers=(("x-request-id", "req_1"),)
        )

    recorder.answer = answer  # type: ignore[assignment]
    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    outcome = run.json
    assert run.code == 3
    assert (outcome["ok"], outcome["command"], outcome["billed"]) == (False, "generate", "no")
    assert outcome["images"] == []
    error = outcome["error"]
    assert (error["code"], error["http_status"], error["request_id"]) == ("invalid_api_key", 401, "req_1")
    assert error["message"] and error["hint"]


def test_quiet_leaves_only_the_saved_line(home: Home, recorder: Recorder) -> None:
    run = home.run("generate", "a cat", "-o", "cat.png", "--quiet", base_url=recorder.base_url)
    assert run.stdout.startswith("Saved: ") and run.stderr == ""


def test_nothing_asks_for_input_and_colours_stay_off_in_a_pipe(home: Home, recorder: Recorder) -> None:
    run = home.run("generate", "a cat", "-o", "cat", base_url=recorder.base_url)
    assert "\x1b" not in run.stdout + run.stderr
    assert "\r" not in run.stderr


class Screen:
    """A terminal that the script's stderr goes to."""

    def __init__(self, home: Home, base_url: str, **env: str) -> None:
        import pty

        self._leader, follower = pty.openpty()
        home.env.update(env)
        self.process = home.start(
            "generate", "a cat", "-o", "cat", "--quality", "low", base_url=base_url, stderr=follower
        )
        os.close(follower)
        self.text = ""

    def read_until(self, pattern: str) -> None:
        while not re.search(pattern, self.text):
            self.text += os.read(self._leader, 4096).decode()

    def read_to_end(self) -> None:
        try:
            while True:
                self.text += os.read(self._leader, 4096).decode()
        except OSError:
            pass  # Linux tells the end of a terminal by an error
        os.close(self._leader)
        self.process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="no pseudo terminals")
def test_on_a_terminal_the_elapsed_time_and_an_estimate_are_shown_while_waiting(
    home: Home, recorder: Recorder
) -> None:
    recorder.hold()
    screen = Screen(home, recorder.base_url, TERM="xterm")
    screen.read_until(r"\d+ s of about 7\d s")
    recorder.release()
    screen.read_to_end()
    assert "\x1b[33mwarning\x1b[0m: " in screen.text
    assert re.search(r"\r\x1b\[J(\x1b\[33mwarning\x1b\[0m: [^\r]*\r\n)?HTTP 200 in", screen.text)


@pytest.mark.skipif(os.name != "posix", reason="no pseudo terminals")
@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}])
def test_a_terminal_without_colours_gets_none(home: Home, recorder: Recorder, env: dict[str, str]) -> None:
    screen = Screen(home, recorder.base_url, **env)
    screen.read_to_end()
    assert "warning: " in screen.text
    assert "\x1b[3" not in screen.text
    assert env["TERM"] != "dumb" or "\x1b" not in screen.text


def test_a_full_stdout_pipe_closed_early_does_not_lose_the_image(home: Home, recorder: Recorder) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = home.start("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url, stdout=write_end)
    os.close(write_end)
    _, stderr = process.communicate()
    assert (home.cwd / "cat.png").read_bytes() == PICTURE
    assert process.returncode == 0
    assert b"Exception" not in stderr


def test_an_output_of_a_device_is_refused(home: Home, recorder: Recorder) -> None:
    run = home.run("generate", "a cat", "-o", "/dev/null", base_url=recorder.base_url)
    assert run.code == 2 and recorder.requests == []


def test_a_stdout_to_a_file_takes_the_image(home: Home, recorder: Recorder) -> None:
    target = home.cwd.parent / "target"
    with target.open("wb") as file:
        done = subprocess.run(
            home.command("generate", "a cat", "-o", "-"),
            env=home.environment(recorder.base_url),
            cwd=str(home.cwd),
            stdout=file,
            stderr=subprocess.PIPE,
        )
    assert (done.returncode, target.read_bytes()) == (0, PICTURE)
