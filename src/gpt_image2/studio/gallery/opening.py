"""Opens a folder in the system's file manager: the one program that the studio starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from gpt_image2.core.base.errors import UsageError


def open_folder(folder: Path) -> None:
    """Shows a folder to the user.

    Raises:
        UsageError: this system has nothing that shows folders.
    """
    if sys.platform == "win32":
        os.startfile(folder)  # noqa: S606
        return
    program = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if program is None:
        raise UsageError("there is no program here that shows folders", hint=f"the folder is {folder}")
    subprocess.Popen(  # noqa: S603
        [program, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
