"""What drives the real script, and starts the sandbox and talks to it. Imports nothing of the project."""

from __future__ import annotations

import atexit
import json
import os
import py_compile
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

import jsonschema
from forking import Job

CLONE = Path(__file__).parents[2]
SKILL = CLONE / "skills" / "gpt-image-2"
SCRIPT = SKILL / "scripts" / "gpt_image2.py"
REFERENCES = SKILL / "references"
#: The script may be tested on a Python that has not what the sandbox needs.
SANDBOX_PYTHON = os.environ.get("GPT_IMAGE2_SANDBOX_PYTHON", sys.executable)
KEY = "sk-test-0123456789abcdefghijKEY"
TIMEOUT_S = 120.0

open_url = build_opener(ProxyHandler({})).open


class Run(NamedTuple):
    """How the script ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Dict[str, Any]:
        """The one object on stdout, valid by the schema that is committed for it."""
        (line,) = self.stdout.splitlines()
        outcome = json.loads(line)
        validate(outcome)
        return outcome

    @property
    def events(self) -> List[Dict[str, Any]]:
        """The lines on stderr under `--events`, each valid by the schema."""
        events = [json.loads(line) for line in self.stderr.splitlines()]
        for event in events:
            validator("events").validate(event)
        return events

    @property
    def saved(self) -> List[Path]:
        """The paths of the `Saved:` lines."""
        lines = [line for line in self.stdout.splitlines() if line.startswith("Saved: ")]
        return [Path(line[len("Saved: ") : line.rindex(" (")]) for line in lines]

    @property
    def pictures(self) -> List[bytes]:
        """The images that the JSON names, as they are on disk."""
        return [Path(image["path"]).read_bytes() for image in self.json["images"]]


def schema(name: str) -> Dict[str, Any]:
    """A schema of the skill's references."""
    return json.loads((REFERENCES / f"{name}.schema.json").read_text(encoding="utf-8"))


@lru_cache(maxsize=None)
def validator(name: str) -> Any:
    """What holds an object against a schema of the skill's references, which is itself held once."""
    kind = jsonschema.validators.validator_for(schema(name))
    kind.check_schema(schema(name))
    return kind(schema(name))


def validate(outcome: Dict[str, Any]) -> None:
    """Holds what a command printed against its schema."""
    validator(schema_of(outcome)).validate(outcome)


def schema_of(outcome: Dict[str, Any]) -> str:
    """The name of the schema that is meant for what a command printed."""
    command = outcome["command"]
    if command == "doctor" and "checks" in outcome:
        return "doctor"
    if command == "resume" and "calls" in outcome:
        return "resume"
    if "derived_from" in outcome:
        return "pictures"
    if command == "batch run":
        return "batch"
    if command.startswith("batch "):
        return "batch-api"
    if not outcome["ok"]:
        return "error"
    if command in ("generate", "edit"):
        return "dry-run" if outcome.get("dry_run") else "result"
    return command if command in ("history", "spend", "cost") else "config"


@lru_cache(maxsize=None)
def compiled_script() -> Path:
    """The script and its side files, compiled once for this interpreter: compiling is most of what a short
    run takes."""
    folder = Path(tempfile.mkdtemp(prefix="compiled-script-"))
    atexit.register(shutil.rmtree, str(folder), ignore_errors=True)
    compiled = folder / "gpt_image2.pyc"
    py_compile.compile(str(SCRIPT), cfile=str(compiled), doraise=True)
    for side in SCRIPT.parent.glob("gpt_image2_*.py"):
        py_compile.compile(shutil.copy(str(side), str(folder)), doraise=True)
    return compiled


#: Without the commands of the environment that the tests run in, which may be activated or not.
_PATH = os.pathsep.join(
    each
    for each in os.environ["PATH"].split(os.pathsep)
    if sys.prefix == sys.base_prefix or each != os.path.dirname(sys.executable)
)


class Started(subprocess.Popen):
    """A process. Where a test fails before it has ended, it is not waited for but killed."""

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, trace)


class Home:
    """A home folder of a test's own, and the script run in it. `cwd` is an empty working folder.

    Set `script` to `SCRIPT` where it matters that it is run as the file that it is.
    """

    def __init__(self, root: Path) -> None:
        self.script = compiled_script()
        self.root = root / "home"
        self.cwd = root / "work"
        self.tmp = root / "tmp"
        for folder in (self.root, self.cwd, self.tmp):
            folder.mkdir()
        self.config_home = self.root / ".config"
        self.state = self.root / ".local" / "state" / "gpt-image-2"
        self.rescued = self.state / "rescued"
        self.ledger = self.state / "ledger.sqlite3"
        self._started: List[Started] = []
        self.env: Dict[str, str] = {
            "HOME": str(self.root),
            "PATH": _PATH,
            "TMPDIR": str(self.tmp),
            "LANG": "C.UTF-8",
            "GPT_IMAGE2_API_KEY": KEY,
            "PYTHONWARNINGS": "error",
        }

    def command(self, *args: str) -> List[str]:
        """The command line that runs the script, isolated from this interpreter's packages."""
        return [sys.executable, "-I", "-S", str(self.script), *args]

    def run(
        self,
        *args: str,
        base_url: Optional[str] = None,
        env: Optional[Mapping[str, Optional[str]]] = None,
        stdin: bytes = b"",
        cwd: Optional[Path] = None,
    ) -> Run:
        """Runs the script to its end; an `env` value of None removes a variable.

        Its process is forked where that makes no difference (see `forking`). `run_program`, given `command`,
        makes a fresh one.
        """
        words = (str(self.script), *map(os.fspath, args))
        job = Job(words, self.environment(base_url, env), str(cwd or self.cwd), stdin, TIMEOUT_S)
        if self.script == compiled_script() and job.can_fork:
            done = job.run()
            return Run(done.returncode, _text(done.stdout), _text(done.stderr))
        return self.run_program(*self.command(*args), base_url=base_url, env=env, stdin=stdin, cwd=cwd)

    def run_program(
        self,
        *command: str,
        base_url: Optional[str] = None,
        env: Optional[Mapping[str, Optional[str]]] = None,
        stdin: bytes = b"",
        cwd: Optional[Path] = None,
    ) -> Run:
        """Runs any program as `run` runs the script."""
        done = subprocess.run(
            command,
            env=self.environment(base_url, env),
            cwd=str(cwd or self.cwd),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
        )
        return Run(done.returncode, _text(done.stdout), _text(done.stderr))

    def start(self, *args: str, base_url: Optional[str] = None, **options: Any) -> Started:
        """Starts the script and leaves it running; its outputs are pipes unless told otherwise."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        env = self.environment(base_url)
        process = Started(self.command(*args), env=env, cwd=str(self.cwd), **{**pipes, **options})
        self._started.append(process)
        return process

    def close(self) -> None:
        """Ends what was started and still runs, and closes its pipes, as it must where a test failed."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    with suppress(OSError):
                        pipe.close()

    def environment(
        self, base_url: Optional[str], changes: Optional[Mapping[str, Optional[str]]] = None
    ) -> Dict[str, str]:
        """The environment of a run."""
        env: Dict[str, Optional[str]] = dict(self.env)
        if base_url:
            env["GPT_IMAGE2_BASE_URL"] = base_url
        env.update(changes or {})
        return {name: value for name, value in env.items() if value is not None}

    def leftovers(self) -> List[Path]:
        """Temp files, parts and probes that should not be there."""
        hidden = [path for path in self.cwd.rglob("*") if path.name.startswith(".")]
        return sorted([*hidden, *self.tmp.rglob("*"), *self.rescued.rglob("*.part")])


def install_line(extra: str) -> str:
    """The command by which what runs in this clone says that an extra is installed."""
    python = "" if sys.version_info >= (3, 10) else ", with Python 3.10 or newer"
    return f"pip install {shlex.quote(f'{CLONE}[{extra}]')}{python}"


def generate(home: Home, base_url: str, *more: str, env: Optional[Mapping[str, Optional[str]]] = None) -> Run:
    """Runs `generate` into cat.png, with `--json`."""
    return home.run("generate", "a cat", "-o", "cat.png", "--json", *more, base_url=base_url, env=env)


@contextmanager
def serve_sandbox(*flags: str) -> Iterator[str]:
    """A sandbox that runs while the context is entered; its base URL."""
    command = [SANDBOX_PYTHON, "-m", "gpt_image2.sandbox", "--port", "0", *flags]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with Started(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        line = process.stdout.readline().decode()
        assert line.startswith("Sandbox: "), "the sandbox did not start"
        yield line.split()[1]
        process.terminate()


class Sandbox:
    """A running sandbox."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.root = base_url[: -len("/v1")]

    def fault(self, name: str) -> str:
        """The base URL under which a fault acts."""
        return f"{self.root}/fault/{name}/v1"

    def log(self, prompt: str) -> Dict[str, Any]:
        """What the sandbox saw of the requests with this prompt."""
        with open_url(f"{self.root}/_sandbox/log?prompt={quote(prompt)}") as answer:
            return json.loads(answer.read().decode("utf-8"))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
