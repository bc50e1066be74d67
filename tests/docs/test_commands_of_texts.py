"""What the READMEs and the pages of docs/ tell a reader to type: run as it stands, page by page."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Iterator, List

import pytest
from harness import KEY, Home, Sandbox
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    *(f"docs/{name}.md" for name in ("install", "agent", "person", "batch", "configuration")),
]
#: A page, and the same in Chinese.
BOTH = [
    ("README.md", "README.zh-CN.md"),
    *((f"docs/{path.name}", f"docs/zh/{path.name}") for path in sorted((ROOT / "docs/zh").glob("*.md"))),
]
KINDS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}

sys.path.insert(0, str(ROOT / "tools"))
import cli_reference  # noqa: E402

FLAGS = {flag for name, _ in cli_reference.commands() for flag in cli_reference.flags_of(name)} | {
    "--help",
    "--version",
}

#: Stands for the command. What serves until it is stopped is stopped when it serves; a config file that was
#: made is filled in, as its reader would.
COMMAND = """#!{python}
import json, os, pathlib, subprocess, sys
words = [sys.executable, "-m", "gpt_image2", *sys.argv[1:]]
if sys.argv[1] == "studio":
    words += ["--no-open", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as studio:
        started = studio.stdout.readline().startswith(b"Studio: http://127.0.0.1:")
        studio.terminate()
    sys.exit(not started)
if sys.argv[1:] != ["config", "--init"]:
    os.execv(sys.executable, words)
subprocess.run(words, check=True)
config = pathlib.Path.home() / ".config/gpt-image-2/config.json"
config.write_text(json.dumps({{"base_url": os.environ["GPT_IMAGE2_BASE_URL"], "api_key": "sandbox"}}))
"""
#: Stands for make: has the targets of the Makefile.
MAKE = """#!{python}
import re, sys
targets = re.findall("(?m)^([a-z]+):.*## ", open("{root}/Makefile", encoding="utf-8").read())
sys.exit(not set(sys.argv[1:]) <= set(targets))
"""
#: Stands for pip: takes this clone, with extras that it has.
PIP = """#!{python}
import re, sys
known = set(re.findall(r"(?m)^([a-z-]+) = \\[", open("{root}/pyproject.toml", encoding="utf-8").read()))
_, install, what = sys.argv
extras = re.fullmatch(r"\\.(?:\\[([a-z,]+)\\])?", what)
sys.exit(not (install == "install" and extras and known >= set((extras[1] or "sandbox").split(","))))
"""


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> List[str]:
    """The blocks of code in a language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", text_of(page))


def commands(page: str) -> List[str]:
    """What is to be typed or run, without what is said beside it."""
    found = [
        line
        for kind in ("sh", "python", "json")
        for block in blocks(page, kind)
        for line in block.splitlines()
    ]
    return [re.sub(r"(^|\s+)# .*", "", line) for line in found]


@pytest.fixture
def reader(home: Home, sandbox: Sandbox) -> Iterator[Home]:
    """A reader at a desk that has all that the pages name, and the clone around it."""
    bin_folder = home.root / "bin"
    bin_folder.mkdir()
    programs = {"gpt-image2": COMMAND, "pip": PIP, "make": MAKE, "python3": '#!/bin/sh\nexec {python} "$@"\n'}
    for name, text in programs.items():
        (bin_folder / name).write_text(text.format(python=sys.executable, root=ROOT), encoding="utf-8")
        (bin_folder / name).chmod(0o755)
    for name in ("skills", "completions"):
        (home.cwd / name).symlink_to(ROOT / name)
    room = Image.linear_gradient("L").resize((768, 768)).convert("RGB")
    for name in ("room.png", "person.jpg", "hat.png", "lighthouse.png"):
        room.save(home.cwd / name)
    strokes = Image.new("RGBA", room.size)
    ImageDraw.Draw(strokes).line([(50, 50), (450, 250)], fill="red", width=20)
    strokes.save(home.cwd / "strokes.png")
    icon = Image.new("RGB", (400, 300), (0, 255, 0))
    ImageDraw.Draw(icon).ellipse((100, 50, 300, 250), fill=(200, 40, 40))
    icon.save(home.cwd / "icon-on-green.png")
    home.env.update(
        PATH=f"{bin_folder}{os.pathsep}{home.env['PATH']}",
        PYTHONPATH=os.environ.get("PYTHONPATH", ""),
        GPT_IMAGE2_BASE_URL=sandbox.base_url,
        OPENAI_API_KEY=KEY,
    )
    del home.env["PYTHONWARNINGS"]
    yield home


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works_and_every_picture_is_one(reader: Home, page: str) -> None:
    code = "".join(blocks(page, "sh"))
    done = reader.run_program("bash", "-euo", "pipefail", "-c", code)
    assert done.code == 0, done.stderr
    saving = re.findall(r"(?m)^(?!.*--(?:dry-run|json))gpt-image2 (?:generate|edit) .*-o (?!-)", code)
    assert len(done.saved) >= len(saving)
    for path in done.saved:
        if path.suffix in KINDS:
            with Image.open(path) as image:
                image.load()
                assert image.format == KINDS[path.suffix]


@pytest.mark.parametrize(("page", "chinese"), BOTH)
def test_both_languages_have_the_same_commands_in_the_same_order(page: str, chinese: str) -> None:
    assert commands(page) == commands(chinese)


@pytest.mark.parametrize("page", [*PAGES, *(chinese for _, chinese in BOTH), "docs/cluster.md"])
def test_every_flag_and_command_that_a_page_names_exists(page: str) -> None:
    names = {name for name, _ in cli_reference.commands()}
    text = text_of(page)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) <= FLAGS
    assert set(re.findall(r"(?m)(?:^|`)gpt-image2 ([a-z][a-z-]+)", text)) <= names


def test_the_server_of_the_readme_starts_with_the_words_that_a_host_gives_it(reader: Home) -> None:
    (snippet,) = [block for block in blocks("README.md", "json") if "mcpServers" in block]
    assert snippet in blocks("docs/agent.md", "json")
    server = json.loads(snippet)["mcpServers"]["gpt-image2"]
    done = reader.run_program(str(reader.root / "bin" / server["command"]), *server["args"])
    assert (done.code, done.stdout) == (0, ""), done.stderr
    assert (reader.cwd / "images").is_dir()


def test_the_completions_load_as_the_readme_says(reader: Home) -> None:
    (line,) = set(
        re.findall(r"source completions/\S+bash", text_of("README.md") + text_of("docs/install.md"))
    )
    done = reader.run_program("bash", "-c", f"{line} && complete -p gpt-image2")
    assert "gpt-image2" in done.stdout, done.stderr


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").splitlines()) < 150
    assert len(text_of("README.zh-CN.md").splitlines()) < 150


@pytest.mark.parametrize(
    "page", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md"]
)
def test_every_link_of_a_page_that_is_not_in_the_site_leads_to_a_file(page: str) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", text_of(page)):
        assert "://" in target or ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("page", [*PAGES, "README.zh-CN.md", "docs/cluster.md", "docs/library.md"])
def test_nothing_is_installed_by_a_name_that_no_index_has(page: str) -> None:
    assert not re.search(r"pip install ['\"]?gpt-image2", text_of(page))
