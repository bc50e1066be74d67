"""What drives `batch run` at an address: in this process, or as processes of their own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

from batching import write_jobs
from harness import Home, Run, Started

from gpt_image2.cluster.store.objects import open_objects
from gpt_image2.core.cli import main


class Site:
    """A home folder, and an address that batches go to."""

    def __init__(self, home: Home, address: str, capfd: Any, monkeypatch: Any) -> None:
        self.home = home
        self.address = address
        self._capfd = capfd
        self._env = monkeypatch

    def write(self, *lines: Any) -> Path:
        """Writes the jobs file."""
        return write_jobs(self.home, *lines)

    def run(self, base_url: str, *flags: str) -> Run:
        """Runs the batch that was written last in this process."""
        for name, value in self.home.environment(base_url).items():
            self._env.setenv(name, value)
        self._env.chdir(self.home.cwd)
        self._capfd.readouterr()
        code = main(self.words(*flags))
        told = self._capfd.readouterr()
        return Run(code, told.out, told.err)

    def words(self, *flags: str) -> List[str]:
        """The words of the command line."""
        return ["batch", "run", "jobs.jsonl", "--out-dir", self.address, "--json", *flags]

    def start(self, base_url: str, *flags: str) -> Started:
        """Starts it as a process of its own."""
        env = self.home.environment(
            base_url, {"PYTHONPATH": os.environ.get("PYTHONPATH"), "PYTHONWARNINGS": None}
        )
        env.update({name: value for name, value in os.environ.items() if name.startswith(("AWS_", "AZURE_"))})
        command = [sys.executable, "-m", "gpt_image2", *self.words(*flags)]
        pipes: Any = {"stdout": -1, "stderr": -1}
        return Started(command, env=env, cwd=str(self.home.cwd), **pipes)

    def objects(self, prefix: str) -> Dict[str, Any]:
        """The objects below a prefix, by their names."""
        store = open_objects(self.address)
        return {found.name: store.get(found.name) for found in store.list(prefix)}

    @property
    def results(self) -> List[Dict[str, Any]]:
        """The results in the store."""
        return [json.loads(data) for data in self.objects("results/").values()]

    @property
    def sent(self) -> int:
        """How many claims say `sent`."""
        return sum(json.loads(data)["state"] == "sent" for data in self.objects("claims/").values())

    @property
    def images(self) -> Dict[str, bytes]:
        """The images in the store."""
        return self.objects("images/")


def ended(process: Started, timeout_s: float = 60.0) -> Run:
    """How a process of its own ended."""
    out, err = process.communicate(timeout=timeout_s)
    return Run(process.returncode, out.decode(), err.decode())


def jobs(count: int, **fields: Any) -> List[Dict[str, Any]]:
    """So many jobs with ids."""
    return [
        {"prompt": f"picture {number}", "id": str(number), "quality": "low", **fields}
        for number in range(count)
    ]


def status_by_id(run: Run) -> Dict[Optional[str], str]:
    """How the jobs of a run stand."""
    return {row["id"]: row["status"] for row in run.json["rows"]}
