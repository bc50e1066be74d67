"""The contact sheet opens from disk, shows every image, runs nothing and asks nobody for anything."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

import pytest
from batching import Painter, batch, count_of, out_of, prompt_of
from browser import Browser
from harness import Home
from PIL import Image
from servers import Recorder, images, refusal

COLOURS = {"red": (214, 40, 40), "green": (20, 140, 60), "blue": (25, 60, 200), "gold": (230, 170, 20)}
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def solid(colour: tuple[int, int, int]) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (256, 256), colour).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def painter(recorder: Recorder) -> Painter:
    made = Painter(recorder)
    recorder.answer = lambda request: (
        made.says.get(prompt_of(request))
        or images(*[solid(COLOURS.get(prompt_of(request).split()[0], (120, 120, 120)))] * count_of(request))
    )
    return made


def hostile(web: Recorder) -> list[str]:
    """Prompts that do something where they are taken for HTML."""
    return [
        "<script>document.title='hacked by a script'</script>",
        '"><img src=x onerror="document.documentElement.dataset.hacked=1">',
        '\'><svg onload="document.documentElement.dataset.hacked=2">',
        f"</p></div></article><img src={web.root}/leak.png>",
        f"</style><link rel=stylesheet href={web.root}/leak.css>",
        f'<meta http-equiv=refresh content="0;url={web.root}/away">',
        f"<iframe src={web.root}/frame></iframe><!-- ]]> &amp; &lt;b&gt;",
        "javascript:document.documentElement.dataset.hacked=3",
    ]


def sheet(home: Home, painter: Painter, *jobs: object) -> Path:
    """The contact sheet of these jobs."""
    run = batch(home, painter.base_url, *jobs)
    assert run.json["contact_sheet"] == str(out_of(home) / "index.html")
    return out_of(home) / "index.html"


def is_harmed(dom: str, web: Recorder) -> bool:
    """Whether anything of the hostile prompts has acted."""
    marks = ("<title>hacked", "data-hacked", "<script", "<svg", "<iframe", "<link")
    return any(mark in dom for mark in marks) or leaks(web) != []


def leaks(web: Recorder) -> list[str]:
    """What was asked of the web, but for what the browser asks of its maker for itself."""
    own = re.compile(r"(https?://)?[\w.-]+\.(google|googleapis|gvt1)\.com[:/]")
    return [request.path for request in web.requests if not own.match(request.path)]


def test_hostile_prompts_ids_names_and_errors_run_nothing_and_fetch_nothing(
    home: Home, painter: Painter, browser: Browser, web: Recorder
) -> None:
    prompts = hostile(web)
    jobs: list[object] = [
        {"prompt": prompt, "id": f"{number} {prompt}", "user": prompt, "output": f"{number}\"><b onx='&.png"}
        for number, prompt in enumerate(prompts)
    ]
    for prompt in prompts[:3]:
        failing = f"failing {prompt}"
        painter.says[failing] = refusal(400, f"No: {prompt}", prompt[:60])
        jobs.append(failing)
    page = sheet(home, painter, *jobs)
    dom = browser.dom(page)
    assert not is_harmed(dom, web)
    assert leaks(web) == []
    assert dom.count("<article") == len(jobs) == 11
    assert dom.count("<img ") == len(prompts)
    shown = re.findall(r'<p class="prompt" dir="auto">(.*?)</p>', dom, re.DOTALL)
    assert [html.unescape(text) for text in shown[: len(prompts)]] == prompts


def test_without_the_escaping_the_same_prompts_would_act(
    home: Home, painter: Painter, browser: Browser, web: Recorder
) -> None:
    """Shows that the test above can fail; and that the policy of the page is a second wall."""
    page = sheet(home, painter, *({"prompt": prompt} for prompt in hostile(web)[:4]))
    text = page.read_text(encoding="utf-8")
    assert POLICY.search(text)
    broken = page.with_name("broken.html")
    broken.write_text(html.unescape(POLICY.sub("", text)), encoding="utf-8")
    dom = browser.dom(broken)
    assert "<title>hacked by a script" in dom and "data-hacked" in dom
    assert f"{web.root}/leak.png" in leaks(web)
    web.requests.clear()
    policy = POLICY.findall(text)[0]
    broken.write_text(
        html.unescape(POLICY.sub("", text)).replace("<head>", f"<head>{policy}"), encoding="utf-8"
    )
    dom = browser.dom(broken)
    assert "<title>hacked" not in dom and "data-hacked" not in dom
    assert leaks(web) == []


def test_the_images_show_in_their_colours_beside_their_prompts(
    home: Home, painter: Painter, browser: Browser, web: Recorder, tmp_path: Path
) -> None:
    painter.says["a failure"] = refusal(400, "No such thing.", "invalid_value")
    jobs = (
        {"prompt": "red fox on a wall", "id": "fox", "quality": "low"},
        {"prompt": "green – grün – 緑 – أخضر", "output": "ein Ordner/grün 100%#1?.png"},
        {"prompt": "blue " + "very long prompt " * 60, "n": 4},
        "gold",
        "a failure",
    )
    page = sheet(home, painter, *jobs)
    picture = browser.screenshot(page, tmp_path / "sheet.png")
    counted = dict.fromkeys(COLOURS, 0)
    for count, pixel in picture.getcolors(picture.width * picture.height) or []:
        for name, colour in COLOURS.items():
            if max(abs(one - other) for one, other in zip(pixel, colour)) <= 3:
                counted[name] += count
    assert {name for name, count in counted.items() if count > 15_000} == set(COLOURS), counted
    assert leaks(web) == []


def test_a_sheet_of_a_thousand_images_opens(
    home: Home, painter: Painter, browser: Browser, web: Recorder
) -> None:
    page = sheet(home, painter, "red")
    text = page.read_text(encoding="utf-8")
    card = re.findall(r"<article.*?</article>\n", text, re.DOTALL)[0]
    page.write_text(text.replace(card, card * 1000), encoding="utf-8")
    assert browser.dom(page).count("<article") == 1000
