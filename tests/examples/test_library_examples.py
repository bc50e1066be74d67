"""The programs that use the library, and the notebook, each run to its end against a server on loopback."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from faulty import Exchange, body_of, serving
from harness import Home, Run, Sandbox
from pictures import png
from PIL import Image
from plugins import as_installed
from processes import curls_of

EXAMPLES = Path(__file__).parents[2] / "examples"
LIBRARY = EXAMPLES / "library"
SRC = {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}


#: Runs the cells of a notebook, `await` among them, without Jupyter.
RUN_CELLS = """
import ast, asyncio, inspect, json, sys, types
sys.modules["IPython"], sys.modules["IPython.display"] = types.ModuleType("a"), types.ModuleType("b")
sys.modules["IPython.display"].display = print
names = {}
for cell in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        code = compile("".join(cell["source"]), "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        came = eval(code, names)
        if inspect.iscoroutine(came):
            asyncio.run(came)
"""


def run(home: Home, base_url: str, name: str, *words: str) -> Run:
    """Runs one of the programs."""
    return home.run_program(sys.executable, str(LIBRARY / name), *words, base_url=base_url, env=SRC)


def test_every_file_is_told_of_in_the_readme() -> None:
    told = re.findall(r"examples/library/(\w+\.\w+)", (EXAMPLES / "README.md").read_text("utf-8"))
    files = {path.name for path in LIBRARY.iterdir() if path.is_file()}
    assert {*told, "poster.py"} == files


def test_a_fan_out_saves_what_is_done_in_time_and_cancels_the_rest(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        if b"slow" in exchange.body:
            exchange.wait_until_gone()
        exchange.answer(body_of([png(noise=exchange.body)]))

    with serving(talk) as server:
        done = run(home, server.base_url, "fan_out.py", str(home.cwd), "2", "a cat", "a slow one", "a dog")
    assert done.code == 9
    assert sorted(done.stdout.split()) == [f"{home.cwd}/1.png", f"{home.cwd}/3.png"]
    assert done.stderr == "a slow one: stopped after 2 s (billed: maybe)\n"
    assert curls_of() == [] and home.leftovers() == []


def test_a_fan_out_tells_of_what_fails(home: Home, sandbox: Sandbox) -> None:
    base_url = sandbox.fault("moderation")
    done = run(home, base_url, "fan_out.py", str(home.cwd), "60", "a cat")
    assert (done.code, done.stdout) == (9, "")
    assert done.stderr.startswith("a cat: ")


def test_previews_are_laid_side_by_side_while_they_come(home: Home, sandbox: Sandbox) -> None:
    done = run(home, sandbox.base_url, "previews.py", "A lighthouse", "film.png")
    assert (done.code, done.stdout) == (0, "film.png\n"), done.stderr
    with Image.open(home.cwd / "film.png") as film:
        assert film.size == (4 * 384, 256)
        stages = [film.crop((at * 384, 0, (at + 1) * 384, 256)).tobytes() for at in range(4)]
    assert len(set(stages)) == 4


def test_the_tests_of_a_program_pass_with_the_fixture(home: Home, tmp_path: Path) -> None:
    paths = os.pathsep.join(as_installed(tmp_path / "site"))
    flags = ("-q", "-p", "no:cacheprovider", "--rootdir", str(LIBRARY))
    done = home.run_program(
        *(sys.executable, "-m", "pytest", *flags, str(LIBRARY)),
        env={
            "PYTHONPATH": paths,
            "PYTHONDONTWRITEBYTECODE": "1",
            "GPT_IMAGE2_API_KEY": None,
            "PYTHONWARNINGS": None,
        },
    )
    assert done.code == 0 and "3 passed" in done.stdout, done.stdout + done.stderr


def test_the_notebook_runs_and_shows_its_pictures(home: Home, sandbox: Sandbox, in_full: bool) -> None:
    """In full by Jupyter; else its cells as they stand, one after the other."""
    out = home.cwd / "out.ipynb"
    command = ("-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--output", str(out))
    if not in_full:
        command = ("-c", RUN_CELLS)
    done = home.run_program(
        *(sys.executable, *command, str(LIBRARY / "notebook.ipynb")),
        base_url=sandbox.base_url,
        env={**SRC, "PYTHONWARNINGS": None},
    )
    assert done.code == 0, done.stderr
    said = done.stdout
    if in_full:
        outputs = [output for cell in cells(out) for output in cell.get("outputs", [])]
        shown = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
        assert len(shown) == 5
        for text in shown:
            with Image.open(io.BytesIO(base64.b64decode(text))) as image:
                assert image.format == "PNG" and image.width >= 1024
        said = "".join(text for output in outputs for text in output.get("text", []))
    assert "billed: yes" in said and said.count("saved ") == 3 and "real: $0.0000" in said


def cells(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


@pytest.mark.parametrize("name", ["fan_out.py", "previews.py"])
def test_without_arguments_it_says_what_it_wants(name: str, home: Home) -> None:
    done = run(home, "http://127.0.0.1:9", name)
    assert done.code == 1 and done.stderr.startswith("usage: ")
