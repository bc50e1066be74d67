"""Who takes part, and how each is called. Without a command for a kind of job, a contestant sits it out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import environments
from .environments import ROOT, SCRIPT, NotAvailable

PROMPT = "A lighthouse in a storm, oil on canvas"
KEY = "sk-bench-0123456789abcdefghij"

_BENCH = ROOT / "bench"

Steps = list[list[str]]


@dataclass(frozen=True)
class Job:
    """What is to be done. Outputs go below `out`; `base_url` ends in /v1."""

    base_url: str
    out: Path
    prompt: str = PROMPT
    n: int = 1
    partials: int = 0
    inputs: tuple[Path, ...] = ()
    calls: int = 1
    concurrency: int = 1


#: The commands for a job, run one after another.
Command = Callable[[Job], Steps]


@dataclass(frozen=True)
class Contestant:
    """One way to get images. `commands` by kind: generate, stream, edit, many, help, version.

    `saves_images` is False for a floor, which only brings the answer to disk.
    """

    key: str
    label: str
    version: str
    commands: Mapping[str, Command] = field(default_factory=dict[str, Command])
    saves_images: bool = True


def everybody() -> tuple[list[Contestant], list[str]]:
    """All contestants, the floors first, and why some are missing. Makes the environments that they need."""
    found: list[Contestant] = []
    missing: list[str] = []
    for make in (_floors, _ours, _rust_peer, _sdk):
        try:
            found += make()
        except NotAvailable as error:
            missing.append(str(error))
    return found, missing


def offline() -> list[Contestant]:
    """Those that need no environment: curl, this Python with curl, and our script under this Python."""
    return [*floors(sys.executable), script(sys.executable)]


def floors(python: str) -> list[Contestant]:
    """Bare curl, and an empty Python followed by curl: the least that our kind of program can cost."""
    curl = shutil.which("curl")
    if curl is None:
        raise NotAvailable("curl is not installed")

    def generate(job: Job) -> Steps:
        body = f'{{"model": "gpt-image-2", "prompt": "{job.prompt}", "n": {job.n}}}'
        return [_curl(curl, job, "generations", ["-H", "Content-Type: application/json", "-d", body])]

    def edit(job: Job) -> Steps:
        texts = ["-F", "model=gpt-image-2", "-F", f"prompt={job.prompt}"]
        files = [part for path in job.inputs for part in ("-F", f"image[]=@{path};type=image/png")]
        return [_curl(curl, job, "edits", texts + files)]

    def many(job: Job) -> Steps:
        body = [
            "-H",
            "Content-Type: application/json",
            "-d",
            '{"model": "gpt-image-2", "prompt": "{number}"}',
        ]
        one = _curl(curl, job, "generations", body, "{out}/{number}.json")
        return [_pool_process(python, job, one)]

    def start(_: Job) -> Steps:
        return [[python, "-c", "pass"]]

    alone: dict[str, Command] = {"generate": generate, "stream": generate, "edit": edit, "many": many}
    after_python: dict[str, Command] = {
        "generate": lambda job: start(job) + generate(job),
        "stream": lambda job: start(job) + generate(job),
        "edit": lambda job: start(job) + edit(job),
        "help": start,
        "version": start,
    }
    return [
        Contestant("curl", "bare `curl` (answer as it is)", _version([curl, "--version"]), alone, False),
        Contestant(
            "python-curl",
            "`python3 -c pass`, then `curl`",
            _version([python, "--version"]),
            after_python,
            False,
        ),
    ]


def script(python: str) -> Contestant:
    """Our script, run as a file."""
    start = [python, str(SCRIPT)]
    return Contestant(
        "script", "**ours**, the script as a file", _version([*start, "--version"]), _our_commands(start)
    )


def _floors() -> list[Contestant]:
    return floors(str(environments.bare() / "python"))


def _ours() -> list[Contestant]:
    bin_folder = environments.ours()
    start = [str(bin_folder / "gpt-image2")]
    commands = {**_our_commands(start), "many": _our_many(start)}
    label = "**ours**, the installed command"
    return [
        Contestant("installed", label, _version([*start, "--version"]), commands),
        script(str(environments.bare() / "python")),
    ]


def _our_commands(start: list[str]) -> dict[str, Command]:
    def call(job: Job, command: str, *rest: str) -> list[str]:
        return [*start, command, *rest, "-o", f"{job.out}/", "--base-url", job.base_url]

    def edit(job: Job) -> Steps:
        first, *others = map(str, job.inputs)
        more = [part for path in others for part in ("--image", path)]
        return [call(job, "edit", first, job.prompt, *more)]

    return {
        "generate": lambda job: [call(job, "generate", job.prompt, "--n", str(job.n))],
        "stream": lambda job: [
            call(job, "generate", job.prompt, "--stream", "--partial-images", str(job.partials))
        ],
        "edit": edit,
        "help": lambda _: [[*start, "--help"]],
        "version": lambda _: [[*start, "--version"]],
        "hostile": lambda job: [[*call(job, "generate", job.prompt, "--n", str(job.n)), "--json"]],
    }


def _our_many(start: list[str]) -> Command:
    def batch(job: Job) -> Steps:
        jobs = job.out.parent / "jobs.txt"
        jobs.write_text("".join(f"A lighthouse, number {number}\n" for number in range(job.calls)))
        where = ["--out-dir", str(job.out), "--base-url", job.base_url]
        return [[*start, "batch", "run", str(jobs), *where, "--concurrency", str(job.concurrency)]]

    return batch


def _rust_peer() -> list[Contestant]:
    native, by_node = environments.rust_peer()
    version = environments.rust_peer_version()
    name = environments.RUST_PEER
    by_node_only = ("generate", "help", "version")
    node_commands = _rust_commands([str(by_node)])
    return [
        Contestant("rust", f"`{name}` (its Rust program)", version, _rust_commands([str(native)])),
        Contestant(
            "rust-node",
            f"`{name}` as npm starts it",
            version,
            {kind: command for kind, command in node_commands.items() if kind in by_node_only},
        ),
    ]


def _rust_commands(start: list[str]) -> dict[str, Command]:
    def call(base_url: str, *rest: str) -> list[str]:
        where = ["--json", "--provider", "openai", "--openai-api-base", base_url, "--api-key", KEY]
        return [*start, *where, "images", *rest]

    def generate(job: Job) -> Steps:
        out = str(job.out / "image.png")
        return [call(job.base_url, "generate", "--prompt", job.prompt, "--n", str(job.n), "--out", out)]

    def edit(job: Job) -> Steps:
        references = [part for path in job.inputs for part in ("--ref-image", str(path))]
        out = str(job.out / "image.png")
        return [call(job.base_url, "edit", "--prompt", job.prompt, "--out", out, *references)]

    def many(job: Job) -> Steps:
        one = call(
            job.base_url, "generate", "--prompt", "A lighthouse {number}", "--out", "{out}/{number}.png"
        )
        return [_pool_process(sys.executable, job, one)]

    return {
        "generate": generate,
        "edit": edit,
        "many": many,
        "hostile": generate,
        "help": lambda _: [[*start, "--help"]],
        "version": lambda _: [[*start, "--version"]],
    }


def _sdk() -> list[Contestant]:
    python = str(environments.openai() / "python")
    start = [python, str(_BENCH / "sdk_client.py")]

    def generate(job: Job) -> Steps:
        return [[*start, "generate", job.base_url, str(job.out), str(job.n), job.prompt]]

    commands: dict[str, Command] = {
        "generate": generate,
        "hostile": generate,
        "stream": lambda job: [[*start, "stream", job.base_url, str(job.out), str(job.partials), job.prompt]],
        "edit": lambda job: [[*start, "edit", job.base_url, str(job.out), job.prompt, *map(str, job.inputs)]],
        "many": lambda job: [
            [*start, "many", job.base_url, str(job.out), str(job.calls), str(job.concurrency)]
        ],
        "version": lambda _: [[python, "-c", "import openai; print(openai.__version__)"]],
    }
    version = _version([python, "-c", "import openai; print(openai.__version__)"])
    return [Contestant("sdk", "`openai` Python SDK, a script of ten lines", version, commands)]


def _curl(curl: str, job: Job, endpoint: str, what: list[str], out: str = "") -> list[str]:
    key = ["-H", f"Authorization: Bearer {KEY}"]
    return [
        curl,
        "-q",
        "-sS",
        "-f",
        *key,
        *what,
        "-o",
        out or str(job.out / "answer"),
        f"{job.base_url}/images/{endpoint}",
    ]


def _pool_process(python: str, job: Job, command: list[str]) -> list[str]:
    pool = [python, str(_BENCH / "pool.py")]
    return [*pool, str(job.out), str(job.calls), str(job.concurrency), *command]


def _version(command: list[str]) -> str:
    """The number in what a program says of its version."""
    text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
    return next((word for word in text.split() if word[:1].isdigit()), "unknown")
