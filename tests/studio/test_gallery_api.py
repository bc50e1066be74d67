"""The gallery's answers: what is in the ledger, whoever made it, and pictures by what they are."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import quote

from harness import Home, Sandbox
from PIL import Image
from servers import Recorder, images, refusal
from studio_driving import Studio, made, run_command, studio_of


def cards(studio: Studio, query: str = "") -> list[dict[str, object]]:
    """The cards of a search."""
    return studio.get(f"api/pictures?{query}").json["cards"]


def test_what_the_script_made_is_in_the_gallery_with_its_cost(
    home: Home, sandbox: Sandbox, studio: Studio
) -> None:
    assert studio.get("api/pictures").json["total"] == 0
    path = made(home, sandbox, "a red fox", "-o", "fox.png", "--n", "2", "--quality", "low")
    found = studio.get("api/pictures").json
    assert [card["id"] for card in found["cards"]] == ["1-1", "1-2"]
    assert found["requests"] == 1 and found["choices"]["model"] == ["gpt-image-2"]
    assert found["cards"][0]["prompt"] == "a red fox" and found["cards"][0]["cost_usd"] > 0
    picture = studio.get("pictures/1-1")
    assert picture.headers["content-type"] == "image/png" and picture.body == path.read_bytes()
    thumbnail = studio.get("thumbnails/1-1")
    small = Image.open(io.BytesIO(thumbnail.body))
    assert small.format == "WEBP" and max(small.size) == 384
    told = studio.get("api/requests/1").json
    assert told["fields"]["quality"] == "low"
    assert told["as_command"].startswith("gpt-image2 generate 'a red fox' --model gpt-image-2")
    assert studio.get("api/pictures/1-1/file").json["path"] == str(path)


def test_the_command_that_is_copied_asks_for_the_same(home: Home, sandbox: Sandbox, studio: Studio) -> None:
    made(home, sandbox, 'it\'s a "fox"', "-o", "fox.png", "--size", "1536x1024", "--quality", "low")
    command = studio.get("api/requests/1").json["as_command"]
    words = (
        subprocess.run(
            ["sh", "-c", f'set -- {command}; for word; do printf "%s\\0" "$word"; done'], capture_output=True
        )
        .stdout.decode()
        .split("\0")[:-1]
    )
    again = home.run(*words[1:], "-o", "again.png", base_url=sandbox.base_url)
    assert again.code == 0, again.stderr
    first, second = (studio.get(f"api/requests/{number}").json for number in (1, 2))
    assert {name: first[name] for name in ("prompt", "model", "fields")} == {
        name: second[name] for name in ("prompt", "model", "fields")
    }


def test_what_the_command_line_has_sent_is_used_again_with_its_mask_while_its_files_are_there(
    home: Home, sandbox: Sandbox, studio: Studio
) -> None:
    made(home, sandbox, "a red fox", "-o", "fox.png", "--size", "1024x1024", "--quality", "low")
    mask = Image.new("RGBA", (1024, 1024), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 512, 512))
    mask.save(home.cwd / "mask.png")
    other = Image.new("RGB", (1024, 1024), (200, 20, 20))
    other.save(home.cwd / "other.png")
    words = ("edit", "fox.png", "a hat", "--image", "other.png", "--mask", "mask.png", "-o", "hat.png")
    assert run_command(home, *words, base_url=sandbox.base_url).returncode == 0
    again = studio.post("api/requests/2/reuse", {}).json
    assert [file["name"] for file in again["inputs"]] == ["fox.png", "other.png"]
    assert again["inputs"][0]["id"] == "1-1" and again["missing"] == 0 and again["markup"] is None
    assert abs(again["mask"]["share"] - 0.25) < 0.001
    sent = studio.get(f"inputs/{again['mask']['id']}").body
    assert sent == (home.cwd / "mask.png").read_bytes()
    (home.cwd / "fox.png").unlink()
    again = studio.post("api/requests/2/reuse", {}).json
    assert again["mask"] is None and again["missing"] == 2, "a mask belongs to the first picture"
    assert studio.post("api/requests/9/reuse", {}).status == 404


def test_it_is_searched_and_filtered(home: Home, recorder: Recorder) -> None:
    for prompt, model in (("A red Äpfel pie", "gpt-image-2"), ("100% blue_sky", "gpt-image-2.5-flare")):
        assert (
            home.run("generate", prompt, "-o", "x.png", "--model", model, base_url=recorder.base_url).code
            == 0
        )
    recorder.answer = lambda _: refusal(400, "No.", "moderation_blocked")
    assert home.run("generate", "a refused one", "-o", "y.png", base_url=recorder.base_url).code != 0
    with studio_of(home, recorder.base_url) as studio:
        studio.enter()

        def ids(query: str) -> list[object]:
            return [card["id"] for card in cards(studio, query)]

        assert ids("") == ["3", "2-1", "1-1"]
        assert ids(f"search={quote('äpfel')}") == ids("search=RED") == ["1-1"]
        assert ids(f"search={quote('100%')}") == ids("search=e_s") == ["2-1"]
        assert ids("search=%25") == ["2-1"]
        assert ids("model=gpt-image-2.5-flare") == ["2-1"]
        assert ids("status=failed") == ["3"] and ids("billed=yes") == ["2-1", "1-1"]
        assert ids("since=2999-01-01") == [] and len(ids("until=2999-01-01")) == 3
        assert ids("offset=1&limit=1") == ["2-1"]
        assert ids(f"search={quote(chr(39) + ' OR 1=1 --')}") == []


def test_a_picture_is_known_by_its_content_and_not_by_a_name_that_another_took(
    home: Home, sandbox: Sandbox, studio: Studio
) -> None:
    old = made(home, sandbox, "the old one")
    was = old.read_bytes()
    new = made(home, sandbox, "the new one")
    assert old == new, "the default name"
    assert studio.get("pictures/1-1").body == was
    assert studio.get("pictures/2-1").body == new.read_bytes() != was
    assert studio.get("thumbnails/2-1").status == 200
    changed = new.read_bytes()[:-1] + b"?"
    new.write_bytes(changed)
    assert studio.get("pictures/2-1").status == 410, "as long, and another"
    assert studio.get("thumbnails/2-1").status == 200, "a thumbnail outlives its picture"


def test_a_file_that_is_no_picture_any_more_is_not_served(
    home: Home, sandbox: Sandbox, studio: Studio
) -> None:
    path = made(home, sandbox, "a fox", "-o", "fox.png")
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert studio.get("pictures/1-1").status == studio.get("thumbnails/1-1").status == 410


def test_an_svg_is_served_as_a_picture_that_runs_nothing(home: Home, recorder: Recorder) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
    recorder.answer = lambda _: images(svg)
    flags = ("--model", "gpt-image-2.6-flare", "--format", "svg", "-o", "x.svg")
    assert home.run("generate", "a drawing", *flags, base_url=recorder.base_url).code == 0
    with studio_of(home, recorder.base_url) as studio:
        reply = studio.enter().get("pictures/1-1")
    assert reply.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in reply.headers["content-security-policy"]


def test_forgetting_takes_the_row_and_deleting_the_file(home: Home, sandbox: Sandbox, studio: Studio) -> None:
    path = made(home, sandbox, "a fox", "-o", "fox.png")
    other = made(home, sandbox, "a cat", "-o", "cat.png")
    assert studio.post("api/pictures/1-1/delete", {}).status == 200
    assert not path.exists() and other.exists()
    assert studio.get("pictures/1-1").status == 410
    assert studio.post("api/requests/2/forget", {}).json == {"forgotten": 1}
    assert other.exists() and [card["id"] for card in cards(studio)] == ["1-1"]


def next_event(studio: Studio, kind: str, ready: threading.Event) -> float:
    """When the next event of a kind came, of those that come after the state, by the monotonic clock."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=20)
    connection.request("GET", f"{studio.root}/api/events", headers=studio.own_headers())
    answer = connection.getresponse()
    while True:
        line = answer.readline().decode()
        assert line, "the stream ended"
        if line.startswith("data: "):
            found = json.loads(line[6:])["kind"]
            if found == "calls":
                ready.set()
            elif found == kind:
                connection.close()
                return time.monotonic()


def test_what_another_process_makes_is_told_within_a_second(
    home: Home, sandbox: Sandbox, studio: Studio
) -> None:
    made(home, sandbox, "one before", "-o", "first.png")
    took_s: list[float] = []
    while not took_s or (min(took_s) > 1 and len(took_s) < 8):  # a busy machine may try again
        ready = threading.Event()
        with ThreadPoolExecutor(1) as pool, closing(sqlite3.connect(home.ledger)) as writer:
            came = pool.submit(next_event, studio, "ledger", ready)
            assert ready.wait(30)
            writer.execute("UPDATE requests SET prompt = ?", [f"another {len(took_s)}"])
            writer.commit()
            written = time.monotonic()
            took_s.append(came.result() - written)
    assert min(took_s) <= 1, took_s


def test_the_command_says_what_to_install_or_which_port_is_taken(home: Home, studio: Studio) -> None:
    done = run_command(home, "studio", "--port", str(studio.port), "--no-open")
    assert done.returncode == 2 and b"--port 0" in done.stderr
