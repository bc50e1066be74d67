"""What type checkers, editors and readers of a program see: known values, refused misspellings, all of it
documented with examples that run."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple, get_args

import pytest
from harness import Sandbox

import gpt_image2
from gpt_image2 import AsyncClient, Client
from gpt_image2.core.api import models, sizes
from gpt_image2.core.api.request import REQUEST_FIELDS
from gpt_image2.core.commands.picture_flags import WISH_FIELDS
from gpt_image2.library import options

ROOT = Path(__file__).parents[2]
GOOD = """
import asyncio
from pathlib import Path
from PIL import Image
import gpt_image2
from gpt_image2 import AsyncClient, Client, Job, Result

def made(client: Client) -> Result:
    picture = Image.new("RGB", (8, 8))
    client.edit([b"", Path("a.png"), picture, open("b.png", "rb")], "x", mask=picture, quality="low")
    client.edit("a.png", "x", size="1024x1024", output=open("c.png", "wb"))
    for event in client.stream("x", partial_images=2):
        if isinstance(event, gpt_image2.PartialImage):
            event.image.pil().show()
    job: Job = {"prompt": "x", "image": [b""], "quality": "low"}
    for outcome in client.batch(["x", job], Path("out"), quality="low"):
        print(outcome.error.code if outcome.error else outcome.images[0].path)
    try:
        return gpt_image2.generate("x", model="a-model-of-tomorrow", n=2)
    except gpt_image2.PartialError as error:
        assert error.result is not None
        first: Path | None = error.result.images[0].path
        print(first)
        return error.result

async def main() -> None:
    async with AsyncClient(concurrency=2) as client:
        first, second = await asyncio.gather(client.generate("x"), client.edit(b"", "x"))
        made: Result = first if first.cost_usd else second
        async for event in client.stream("x"):
            print(event)
    print(made.images)
"""
#: Each line is a mistake.
MISTAKES = (
    'gpt_image2.generate("x", qualty="low")',
    'gpt_image2.edit(b"", "x", msk=b"")',
    'client.generate("x", mask=b"")',
    'client.generate("x", n="2")',
    'client.stream("x", stream=True)',
    "gpt_image2.Client(timeout=3)",
    "gpt_image2.AsyncClient(concurency=3)",
    'client.batch(["x"], "out", concurency=3)',
    'client.generate("x", output=3.5)',
    'client.estimate("x", output="a.png")',
)


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_a_checker_takes_what_is_right_and_refuses_each_mistake(checker: str, tmp_path: Path) -> None:
    lines = ["import gpt_image2", "client = gpt_image2.Client()", *MISTAKES]
    (tmp_path / "wrong.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "right.py").write_text(GOOD, encoding="utf-8")
    shutil.copytree(
        ROOT / "examples" / "library", tmp_path / "examples", ignore=shutil.ignore_patterns("__*")
    )
    settings = {"extraPaths": [str(ROOT / "src"), "examples"], "typeCheckingMode": "standard"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    flags = {
        "mypy": ["--strict", "--follow-imports=silent", "--cache-dir", os.devnull],
        "basedpyright": ["--pythonpath", sys.executable],
    }[checker]
    done = subprocess.run(
        [str(Path(sys.executable).with_name(checker)), *flags, "."],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "MYPYPATH": f"{ROOT / 'src'}{os.pathsep}examples",
        },
        capture_output=True,
        encoding="utf-8",
    )
    found = re.findall(r"(\w+\.py):(\d+)[: ].*error", done.stdout)
    expected = {("wrong.py", str(number)) for number in range(3, len(lines) + 1)}
    assert set(found) == expected, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (options.Model, models.KNOWN_MODELS),
        (options.Quality, models.QUALITIES),
        (options.Size, ("auto", *sizes.SIZE_NAMES)),
        (options.OutputFormat, models.OUTPUT_FORMATS),
        (options.Complexity, models.COMPLEXITIES),
        (options.SvgEffort, models.SVG_EFFORTS),
        (options.Background, models.BACKGROUNDS),
        (options.Moderation, models.MODERATIONS),
    ],
)
def test_the_values_that_an_editor_offers_are_those_of_the_api(words: Any, known: Tuple[str, ...]) -> None:
    literal, text = get_args(words)
    assert (sorted(get_args(literal)), text) == (sorted(known), str)


def test_every_field_of_the_api_is_an_option_of_calls_and_of_jobs() -> None:
    fields = {*REQUEST_FIELDS, "extra"}
    assert set(options.RequestOptions.__annotations__) == fields - {"stream"}
    assert fields <= set(options.GenerateOptions.__annotations__)
    jobs = set(options.Job.__annotations__)
    assert fields - {"stream", "partial_images"} == jobs - {
        "prompt",
        "image",
        "mask",
        "markup",
        "output",
        "id",
        *WISH_FIELDS,
    }


def test_help_and_notebooks_show_the_options_by_name() -> None:
    shown = inspect.signature(gpt_image2.generate).parameters
    assert list(shown) == ["prompt", *options.GenerateOptions.__annotations__]
    assert shown["quality"].kind is inspect.Parameter.KEYWORD_ONLY
    assert "mask" in inspect.signature(Client.edit).parameters
    assert "concurrency" in inspect.signature(AsyncClient).parameters


def test_the_two_clients_have_the_same_methods_with_the_same_arguments() -> None:
    def methods(kind: type) -> Dict[str, List[str]]:
        return {
            name: list(inspect.signature(value).parameters)
            for name, value in vars(kind).items()
            if inspect.isfunction(value) and not name.startswith("_") and "close" not in name
        }

    assert methods(Client) == methods(AsyncClient)


def test_whatever_a_public_signature_names_can_be_imported() -> None:
    known = {*gpt_image2.__all__, *dir(__import__("builtins")), *dir(__import__("typing"))}
    known |= {"Unpack", "Path", "PathLike", "datetime", "timedelta", "Verdict", "Image", "Future", "Bytes"}
    named = {name for words in annotations() for name in re.findall(r"\b[A-Z]\w+", words)}
    assert "Result" in named and named - known == set()


def annotations() -> Iterator[str]:
    """What the signatures of public functions and methods say."""
    for name in gpt_image2.__all__:
        value = getattr(gpt_image2, name)
        members = (
            [each for key, each in vars(value).items() if key[0] != "_"]
            if inspect.isclass(value)
            else [value]
        )
        for member in members:
            member = getattr(member, "fget", getattr(member, "__func__", member))
            if inspect.isfunction(member) and name != "Settings":
                yield from member.__annotations__.values()


def test_the_reference_leaves_nothing_public_out() -> None:
    page = (ROOT / "docs" / "reference" / "library.md").read_text(encoding="utf-8")
    listed = re.findall(r"(?m)^\.\. auto\w+:: (\w+)$", page)
    assert sorted([*listed, "VERSION"]) == sorted(gpt_image2.__all__)


def examples() -> Iterator[Any]:
    """The example of each public thing."""
    for name in gpt_image2.__all__:
        value = getattr(gpt_image2, name)
        members = {name: value}
        if inspect.isclass(value):
            members.update({f"{name}.{key}": getattr(value, key) for key in vars(value) if key[0] != "_"})
        for place, member in members.items():
            found = re.search(r"(?ms)^Example:\n(.*?)(?=^\S|\Z)", inspect.getdoc(member) or "")
            if found:
                yield pytest.param(textwrap.dedent(found.group(1)), id=place)


def in_prose() -> Iterator[Any]:
    """The programs in the README and in the pages of docs/; those in Chinese are the same."""
    for path in (ROOT / "README.md", ROOT / "docs" / "library.md"):
        text = path.read_text(encoding="utf-8")
        for number, code in enumerate(re.findall(r"(?ms)^```python\n(.*?)^```", text), 1):
            yield pytest.param(code, id=f"{path.name} {number}")


@pytest.fixture
def rehearsal(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder, in an environment that leads to the sandbox."""
    home = tmp_path / "home"
    home.mkdir()
    ours = gpt_image2.Sandbox(sandbox.base_url, home)
    for name in os.environ.keys() - ours.env.keys():
        monkeypatch.delenv(name)
    for name, value in ours.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("code", [*examples(), *in_prose()])
def test_the_example_runs(code: str, rehearsal: None) -> None:
    exec(compile(code, "example", "exec"), {"gpt_image2": gpt_image2, "asyncio": asyncio})


def test_each_way_to_make_images_has_an_example() -> None:
    told = {str(param.id) for param in examples()}
    ways = ("generate", "edit", "stream", "batch", "estimate", "history", "spend", "resume", "sandbox")
    assert {f"Client.{way}" for way in ways} | {
        "generate",
        "edit",
        "stream",
        "mask",
        "check",
        "cutout",
    } <= told
    assert {"AsyncClient", "AsyncClient.generate", "AsyncClient.stream", "cancelled_call"} <= told
