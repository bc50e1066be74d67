"""Opens the browser at the address that works once. The command line of a browser can be read by every user
of the machine, so that the address goes into a private file which leads on to it.
"""

from __future__ import annotations

import threading
import webbrowser
from contextlib import suppress
from html import escape
from pathlib import Path

from .writing import write_bytes

#: Not hidden: some browsers may read nothing that is. Another studio beside this one has another port.
_NAME = "open-studio-{port}.html"
_PAGE = '<!doctype html><title>Studio</title><meta http-equiv="refresh" content="0;url={address}">\n'


class WayIn:
    """The file that leads to the studio; `close` takes it away."""

    def __init__(self, folder: Path, port: int) -> None:
        self._path = folder / _NAME.format(port=port)
        self._is_there = False

    def open(self, address: str) -> None:
        """Opens the browser; where that cannot be done, the printed address is left."""
        with suppress(OSError):
            write_bytes(self._path, _PAGE.format(address=escape(address)).encode())
            self._is_there = True
            # A browser may take its time.
            threading.Thread(target=webbrowser.open, args=(self._path.as_uri(),), daemon=True).start()

    def close(self) -> None:
        """Takes the file away once it is of no more use."""
        if self._is_there:
            self._is_there = False
            with suppress(OSError):
                self._path.unlink()
