"""Real intermediaries in front of a server on loopback, each with files and a port of its own.

Imports nothing of the project.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import Started

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


def _program(name: str) -> str:
    """The path of a server, which for people who are not root may be off their PATH."""
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    assert program, f"{name} is missing: apt-get install -y --no-install-recommends {name}"
    return program
