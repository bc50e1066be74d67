"""What drives `batch run`: jobs files, a server that paints each prompt a picture of its own, and a look into
the journal and the contact sheet. Imports nothing of the project.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

from harness import Home, Run
from pictures import png
from servers import Answer, Recorder, Request, images, refusal

OUT = "out"
JOURNAL = "journal.jsonl"
SHEET = "index.html"

Line = Union[str, Dict[str, Any]]


def write_jobs(home: Home, *lines: Line, name: str = "jobs.jsonl") -> Path:
    """A jobs file: objects as JSON, texts as they are."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path = home.cwd / name
    path.write_bytes("".join(text + "\n" for text in texts).encode("utf-8", "surrogateescape"))
    return path


def batch(home: Home, base_url: Optional[str], *lines: Line, flags: Any = (), **options: Any) -> Run:
    """Runs a batch of these lines into `out`, with `--json`."""
    path = write_jobs(home, *lines)
    return home.run(*command(path, *flags), base_url=base_url, **options)


def again(home: Home, base_url: Optional[str], *flags: str) -> Run:
    """Runs the jobs file that was written last once more."""
    return home.run(*command(home.cwd / "jobs.jsonl", *flags), base_url=base_url)


def command(jobs: Path, *flags: str) -> List[str]:
    """The words of the command line."""
    return ["batch", "run", str(jobs), "--out-dir", OUT, "--json", *flags]


def out_of(home: Home) -> Path:
    """The folder that `batch` writes to."""
    return home.cwd / OUT


def entries(folder: Path) -> List[Dict[str, Any]]:
    """The whole lines of a journal."""
    found = []
    for line in (folder / JOURNAL).read_text(encoding="utf-8", errors="surrogateescape").split("\n"):
        try:
            found.append(json.loads(line))
        except ValueError:
            continue  # torn by a crash, or the end
    return found


def write_entries(folder: Path, found: List[Dict[str, Any]]) -> None:
    """Replaces a journal."""
    text = "".join(json.dumps(entry) + "\n" for entry in found)
    (folder / JOURNAL).write_text(text, encoding="utf-8")


def in_flight(folder: Path) -> List[str]:
    """The names of the jobs that were sent, and of whose end the journal does not tell."""
    last = {(entry["key"], entry["copy"]): entry for entry in entries(folder)}
    return [entry["name"] for entry in last.values() if entry["event"] == "sent"]


def image_files(folder: Path) -> List[str]:
    """The names of the images in a folder and below, in order."""
    kinds = (".png", ".jpg", ".webp")
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in kinds)


def picture(prompt: str, number: int = 1) -> bytes:
    """The picture that a `Painter` answers a prompt with."""
    return png(noise=f"{prompt}#{number}".encode("utf-8", "replace").hex().encode())


def prompt_of(request: Request) -> str:
    """The prompt of a request to either endpoint."""
    if request.path.endswith("/edits"):
        return request.texts()["prompt"]
    return request.json["prompt"]


def count_of(request: Request) -> int:
    """How many images a request asks for."""
    fields = request.texts() if request.path.endswith("/edits") else request.json
    return int(fields.get("n", 1))


class Painter:
    """Answers with as many pictures as are asked for, each different; `hits` tells how often by prompt.

    `says` are other answers by prompt.
    """

    def __init__(self, server: Recorder) -> None:
        self.server = server
        self.says: Dict[str, Answer] = {}
        self._made: Counter[str] = Counter()
        self._lock = threading.Lock()
        server.answer = self.answer

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return self.server.base_url

    @property
    def hits(self) -> Dict[str, int]:
        """How many paid requests came, by prompt."""
        return dict(Counter(prompt_of(each) for each in list(self.server.requests) if each.method == "POST"))

    @property
    def prompts(self) -> List[str]:
        """The prompts in the order of their coming."""
        return [prompt_of(each) for each in list(self.server.requests) if each.method == "POST"]

    def answer(self, request: Request) -> Answer:
        """The answer to a request; a painter knows of no models."""
        if request.method != "POST":
            return refusal(404, "not here")
        prompt = prompt_of(request)
        if prompt in self.says:
            return self.says[prompt]
        count = count_of(request)
        with self._lock:
            first = self._made[prompt] + 1
            self._made[prompt] += count
        return images(*(picture(prompt, first + number) for number in range(count)))


def sha256(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()


def row_by_line(run: Run) -> Dict[int, Dict[str, Any]]:
    """The rows of a run's JSON by their line in the jobs file."""
    return {row["line"]: row for row in run.json["rows"]}
