"""Runs the script with disks that fill up: folders of which each takes only so many bytes a file.

Usage: python full_disk.py SCRIPT '{"FOLDER": BYTES, …}' ARGUMENTS. Stands where the script writes. With
`"free FOLDER"` for a name, so many bytes are told to be free there but for what is there already.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, Tuple


def main() -> int:
    """Runs the script's `main` with its one way to write replaced."""
    script, limits = sys.argv[1], json.loads(sys.argv[2])
    spec = importlib.util.spec_from_file_location("gpt_image2_script", script)
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    paths: Dict[int, str] = {}
    real_open_part, real_write_all = module.open_part, module.write_all

    def open_part(target: Path, *mode: int) -> Tuple[Path, Any]:
        part, file = real_open_part(target, *mode)
        paths[file.fileno()] = str(part)
        return part, file

    def write_all(file: Any, data: bytes) -> None:
        room = min(
            [limit for folder, limit in limits.items() if paths[file.fileno()].startswith(folder)],
            default=sys.maxsize,
        )
        left = room - os.fstat(file.fileno()).st_size
        real_write_all(file, data[: max(0, left)])
        if len(data) > left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def free_bytes(folder: Path) -> int:
        """What is told to be free in a folder."""
        limit = min([limits[f"free {each}"] for each in limited if str(folder) == each], default=sys.maxsize)
        return limit - sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())

    limited = [name.partition(" ")[2] for name in limits if name.startswith("free ")]
    if limited:
        module.free_bytes = free_bytes
    module.open_part, module.write_all = open_part, write_all
    return module.main(sys.argv[3:])


if __name__ == "__main__":
    sys.exit(main())
