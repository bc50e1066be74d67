"""Kills calls just before each effect that they have on the disk once the request may have left.

Usage: python kills.py BASE_URL ROOT SCENARIO POINTS. POINTS effects, evenly chosen (0 is all of them), each
in a home of its own. One line a killed call on stdout: what was on disk when it died and when it was resumed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, List

from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.calls.client import Client
from gpt_image2.core.calls.gate import SentRequest
from gpt_image2.core.calls.leftovers import Resumer
from gpt_image2.core.outputs import files, inflight, store

EFFECTS = ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.move")
#: The number of effects by now, and that of the one that does not happen; 0 is none.
STATE: Dict[str, int] = {"is_on": 0, "done": 0, "fatal": 0}


def effect(die: Callable[[], object] = lambda: None) -> None:
    """Something is about to be changed on the disk; `die` is what comes of it where it is killed then."""
    if not STATE["is_on"]:
        return
    STATE["done"] += 1
    if STATE["done"] == STATE["fatal"]:
        STATE["is_on"] = 0
        die()
        os.kill(os.getpid(), signal.SIGKILL)


def hear(event: str, arguments: Any) -> None:
    """Hears what Python tells of the system calls that it makes."""
    is_written = (
        event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    )
    if event in EFFECTS or is_written:
        effect()


def prepare() -> None:
    """Lets this process count its effects; what is written by several writes can be torn."""
    sys.addaudithook(hear)
    write_all, add_note, left = files.write_all, inflight.add_note, SentRequest.left

    def torn_write(file: Any, data: bytes) -> None:
        effect(lambda: write_all(file, data[: len(data) // 2]))
        write_all(file, data)

    def torn_note(folder: Path, event: Any) -> None:
        def die() -> None:
            with open(str(folder / inflight.IMAGE_NOTES), "ab") as file:
                file.write(json.dumps(event).encode("ascii")[:-3])

        effect(die)
        add_note(folder, event)

    def sent(sending: SentRequest, may_have_left: bool) -> None:
        STATE["is_on"] = 1
        left(sending, may_have_left)

    files.write_all = store.write_all = torn_write
    inflight.add_note = torn_note
    SentRequest.left = sent  # type: ignore[method-assign]


def in_child(work: Callable[[], object]) -> Any:
    """Does something in a process of its own; what it returns, None where it was killed."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(write, json.dumps(work()).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        said = file.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else None


def client_of(base_url: str, home: Path) -> Client:
    env = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "GPT_IMAGE2_API_KEY": "sk-test-0123456789abcdefghij",
    }
    return Client(base_url=base_url, env=env, retries=0, timeout_s=20)


def call(base_url: str, home: Path, stream: bool, fatal: int) -> int:
    """One call, killed before an effect; how many it had."""
    prepare()
    STATE["fatal"] = fatal
    client = client_of(base_url, home)
    request = ImageRequest(home.name, n=None if stream else 2, stream=stream)
    client.run(client.prepare(request, home / "cat.png"))
    return STATE["done"]


def resume(base_url: str, home: Path) -> int:
    """Resumes what is left; of how many calls something was."""
    client = client_of(base_url, home)
    return len(list(Resumer(client.host, client.ledger, lambda _: None, 20.0).run()))


def on_disk(home: Path) -> List[List[str]]:
    """Every file and all that is in it, as text."""
    paths = sorted(path for path in home.rglob("*") if path.is_file())
    return [[str(path.relative_to(home)), path.read_bytes().decode("latin-1")] for path in paths]


def main() -> int:
    """Every effect in turn, or some."""
    base_url, root, scenario, points = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    is_stream = scenario == "stream"
    whole = root / "whole"
    whole.mkdir()
    effects = in_child(lambda: call(base_url, whole, is_stream, 0))
    step = max(1, effects // points) if points else 1
    for fatal in range(1, effects + 1, step):
        home = root / str(fatal)
        home.mkdir()
        ended = in_child(lambda home=home, fatal=fatal: call(base_url, home, is_stream, fatal))
        dead = on_disk(home)
        resumed = [in_child(lambda home=home: resume(base_url, home)) for _ in range(2)]
        row = {"name": home.name, "ended": ended, "dead": dead, "resumed": resumed, "alive": on_disk(home)}
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
