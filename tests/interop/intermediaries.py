"""Real intermediaries in front of a server on loopback, each with files and a port of its own.

Imports nothing of the project.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import Started

#: Where uvicorn says that it listens.
_UVICORN = r"(?<=running on )http://127\.0\.0\.1:\d+"
_NGINX = """
user {user} {group};
daemon off;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path bodies;
  proxy_temp_path answers;
  fastcgi_temp_path unused;
  uwsgi_temp_path unused;
  scgi_temp_path unused;
  server {{
    listen {listen};
    location / {{
      proxy_pass {upstream};
      proxy_set_header Host $http_host;
      proxy_read_timeout {silence_s}s;
    }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, upstream: str, silence_s: int) -> Iterator[str]:
    """Debian's nginx, as it comes but for how long it bears a silent server; its address."""
    folder.mkdir()
    # It inherits an open door, as in an upgrade: nobody else gets the port, and no caller comes too early.
    with socket.create_server(("127.0.0.1", 0)) as door:
        listen = "{}:{}".format(*door.getsockname())
        user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
        config = _NGINX.format(user=user, group=group, listen=listen, upstream=upstream, silence_s=silence_s)
        (folder / "nginx.conf").write_text(config, encoding="utf-8")
        process = Started(
            [_program("nginx"), "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"],
            env={**os.environ, "NGINX": f"{door.fileno()};"},
            pass_fds=[door.fileno()],
        )
    with process:
        yield f"http://{listen}"
        process.terminate()


@contextmanager
def litellm(program: str, folder: Path, models: dict[str, str], key: str, provider_key: str) -> Iterator[str]:
    """A LiteLLM proxy; its base URL. `models` are the base URLs of OpenAI's API by the names they get."""
    folder.mkdir()
    config = {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {"model": "openai/gpt-image-2", "api_base": url, "api_key": provider_key},
            }
            for name, url in models.items()
        ]
    }
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    process = Started(
        [program, "--config", "config.yaml", "--host", "127.0.0.1", "--port", "0", "--telemetry", "False"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches one
            "LITELLM_MASTER_KEY": key,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr
        address = next((found for line in process.stderr if (found := re.search(_UVICORN, line))), None)
        assert address, "LiteLLM did not start"
        threading.Thread(target=process.stderr.read, daemon=True).start()  # or it waits for a reader
        yield f"{address.group()}/v1"
        process.terminate()


def _program(name: str) -> str:
    """The path of a server, which for people who are not root may be off their PATH."""
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    assert program, f"{name} is missing: apt-get install -y --no-install-recommends {name}"
    return program
