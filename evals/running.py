"""Sets a task up, lets an agent at it, and collects what is known afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from PIL import Image, ImageChops

from .inputs import MAKERS
from .recording import Box, Command, File, Recording
from .task import KEY, Before, Task

ROOT = Path(__file__).resolve().parent.parent
SKILL = ROOT / "skills" / "gpt-image-2"
#: Where agents look for the skills of a project.
SKILL_FOLDERS = (".claude/skills/gpt-image-2", ".agents/skills/gpt-image-2")
START_TIMEOUT_S = 60
_SEED_TIMEOUT_S = 120
_LINK_TIMEOUT_S = 10

_open = build_opener(ProxyHandler({})).open


class Place:
    """The folders of one run: `work` is the agent's, `home` that of its user, `log` what is written down."""

    def __init__(self, root: Path, task: Task, base: str) -> None:
        self.task, self.base = task, base
        self.work, self.home, self.log = root / "work", root / "home", root / "log"
        self.bin = root / "bin"
        for folder in (self.work, self.home, self.log, self.bin):
            folder.mkdir(parents=True)
        self._give_inputs()
        self._give_config()
        self._give_programs()

    @property
    def user_env(self) -> dict[str, str]:
        """What the user's programs know besides what everything here knows."""
        loopback = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        return {"HOME": str(self.home), "PYTHONPATH": str(ROOT / "src"), **loopback}

    def agent_env(self) -> dict[str, str]:
        """The agent's environment: its own, with our programs first and nothing that leads elsewhere."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GPT_IMAGE2_")}
        ours = {"PATH": f"{self.bin}{os.pathsep}{kept.get('PATH', '')}", "PROMPT": self.task.prompt}
        # For whoever goes past the recorder.
        ours |= {"GPT_IMAGE2_BASE_URL": self.base + self.task.way, "GPT_IMAGE2_API_KEY": KEY}
        return {**kept, **ours}

    def prepare(self) -> None:
        """Runs what the user has run before, and forgets what the server saw of it."""
        for before in self.task.before:
            run_before(self, before)
        ask(self.base + "/_sandbox/reset", post=True)

    def ours(self, *words: str) -> list[str]:
        """One of our commands, as the user has run it."""
        return [sys.executable, "-m", "gpt_image2", *words]

    def our_env(self) -> dict[str, str]:
        """The environment of such a command."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GPT_", "OPENAI_", "XDG_"))
        }
        return {**kept, **self.user_env}

    def spent_usd(self) -> float:
        """What the ledger tells of all the user's requests until now, for real money or not."""
        command = self.ours("spend", "--json")
        done = subprocess.run(command, env=self.our_env(), cwd=self.work, capture_output=True, check=False)
        told: dict[str, float] = json.loads(done.stdout or "{}")
        return told.get("total_usd", 0.0) + told.get("sandbox_usd", 0.0)

    def _give_inputs(self) -> None:
        for name in self.task.inputs:
            MAKERS[name](self.work / name)

    def _give_config(self) -> None:
        config: dict[str, Any] = {"base_url": self.base + self.task.way, "api_key": KEY, **self.task.config}
        text = json.dumps({name: value for name, value in config.items() if value is not None}, indent=2)
        path = self.home / ".config" / "gpt-image-2" / "config.json"
        path.parent.mkdir(parents=True)
        path.write_text(text.replace("{base}", self.base), encoding="utf-8")
        path.chmod(0o600)

    def _give_programs(self) -> None:
        for folder in SKILL_FOLDERS:
            shutil.copytree(SKILL, self.work / folder, ignore=shutil.ignore_patterns("__pycache__"))
        real = self.log / "scripts"
        shutil.copytree(SKILL / "scripts", real, ignore=shutil.ignore_patterns("__pycache__"))
        user = {"python": sys.executable, "script": str(real / "gpt_image2.py"), "env": self.user_env}
        (self.log / "user.json").write_text(json.dumps(user), encoding="utf-8")
        text = (Path(__file__).with_name("recorder.py")).read_text(encoding="utf-8")
        text = text.replace("{place}", str(self.log))
        for folder in SKILL_FOLDERS:
            (self.work / folder / "scripts" / "gpt_image2.py").write_text(text, encoding="utf-8")
        command = self.bin / "gpt-image2"
        command.write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
        command.chmod(0o755)


def run_task(task: Task, agent: str, root: Path, timeout_s: float) -> Recording:
    """Lets an agent at a task, in a folder that is new."""
    with sandbox("--latency", "0", *task.flags) as base:
        place = Place(root, task, base)
        place.prepare()
        there = files_in(place.work)
        inputs = {name: there[name].sha256 for name in there if there[name].format or name in task.inputs}
        spent = place.spent_usd()
        answer = run_agent(agent, place, timeout_s)
        opened = open_links(answer)
        end_what_stays(place.log / "stay.jsonl")
        recording = Recording(
            task=task.name,
            commands=commands_in(place.log / "commands.jsonl"),
            journal=ask(base + "/_sandbox/log"),
            answer=answer,
            opened=opened,
            files=files_in(place.work, place.work),
            inputs=inputs,
            spent_usd=round(place.spent_usd() - spent, 6),
        ).without(str(root.resolve()))
    (place.log / "recording.json").write_text(recording.to_json() + "\n", encoding="utf-8")
    return recording


def run_agent(agent: str, place: Place, timeout_s: float) -> str:
    """What the agent says; it has the prompt in PROMPT and on its standard input."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", agent],
        cwd=place.work,
        env=place.agent_env(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(place.log / "stderr.txt").open("wb"),
        start_new_session=True,
    )
    try:
        answer, _ = process.communicate(place.task.prompt.encode(), timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        answer = process.communicate()[0] + b"\n(no end in time)"
    (place.log / "answer.txt").write_bytes(answer)
    return answer.decode("utf-8", "replace")


def open_links(answer: str) -> dict[str, int]:
    """The links to this machine in an answer, each with the status that it is answered with; 0 for none."""
    found: dict[str, int] = {}
    for url in dict.fromkeys(re.findall(r"http://(?:127\.0\.0\.1|localhost):\d+/[^\s)>\"'`*]*", answer)):
        try:
            with _open(url, timeout=_LINK_TIMEOUT_S) as page:
                found[url] = page.status
        except HTTPError as refused:
            found[url] = refused.code
        except OSError:
            found[url] = 0
    return found


def end_what_stays(path: Path) -> None:
    """Ends the programs of ours that an agent has left running."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        with suppress(ProcessLookupError):
            os.kill(int(line), signal.SIGTERM)


def run_before(place: Place, before: Before) -> None:
    """Runs what the user has run before; where it was killed, as soon as its server has a task of it."""
    process = subprocess.Popen(
        place.ours(*before.words),
        env=place.our_env(),
        cwd=place.work,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if before.killed:
        wait_until(lambda: ask(place.base + "/_sandbox/log")["polls"])
        process.kill()
    process.wait(_SEED_TIMEOUT_S)


def commands_in(path: Path) -> list[Command]:
    """What the recorder wrote down."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [Command(**json.loads(line)) for line in lines]


def files_in(folder: Path, sources: Path | None = None) -> dict[str, File]:
    """The files of the agent's folder by name, but for hidden ones; in `sources` are its inputs."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not is_hidden(path, folder)]
    pictures = {path.name: path for path in paths if path.parent == sources and path.name in MAKERS}
    return {path.relative_to(folder).as_posix(): file_at(path, pictures) for path in paths}


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether it, or a folder on the way to it, has a name with a dot before it."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def file_at(path: Path, sources: Mapping[str, Path]) -> File:
    """What is known of one file."""
    data = path.read_bytes()
    file = File(len(data), hashlib.sha256(data).hexdigest())
    if path.suffix == ".svg":
        return File(file.bytes, file.sha256, "svg") if b"<svg" in data else file
    try:
        with Image.open(path) as image:
            image.load()
            alpha = "A" in image.getbands() and image.getchannel("A").getextrema()[0] == 0
            changed = {
                name: changed_box(image, each) for name, each in sources.items() if name.endswith(".png")
            }
            return File(
                bytes=file.bytes,
                sha256=file.sha256,
                format=(image.format or "").lower(),
                width=image.width,
                height=image.height,
                alpha=alpha,
                frames=getattr(image, "n_frames", 1),
                changed={name: box for name, box in changed.items() if box != ()},
            )
    except (OSError, SyntaxError):
        return file


def changed_box(image: Image.Image, source: Path) -> Any:
    """The box of all pixels that differ, None where none do, `()` for pictures of two sizes."""
    with Image.open(source) as other:
        if other.size != image.size:
            return ()
        box: Box | None = ImageChops.difference(image.convert("RGB"), other.convert("RGB")).getbbox()
        return box


@contextmanager
def sandbox(*flags: str) -> Generator[str, None, None]:
    """A sandbox of our own; its address without a path."""
    command = [sys.executable, "-m", "gpt_image2.sandbox", "--port", "0", *flags]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as process:
        try:
            assert process.stdout is not None
            line = (
                process.stdout.readline()
                if select.select([process.stdout], [], [], START_TIMEOUT_S)[0]
                else b""
            )
            if not line.startswith(b"Sandbox: "):
                raise RuntimeError("the sandbox did not start: pip install 'gpt-image2[sandbox]'")
            yield line.decode().split()[1].removesuffix("/v1")
        finally:
            process.terminate()


def ask(url: str, post: bool = False) -> Any:
    """What the sandbox tells."""
    with _open(Request(url, method="POST" if post else "GET")) as answer:
        return json.loads(answer.read())


def wait_until(what: Callable[[], object]) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + _SEED_TIMEOUT_S
    while not what():
        if time.monotonic() > deadline:
            raise RuntimeError("the set-up of a task did not come to its end")
        time.sleep(0.05)


def new_folder(path: Path) -> Path:
    """A folder with nothing in it."""
    with suppress(FileNotFoundError):
        shutil.rmtree(path)
    path.mkdir(parents=True)
    return path
