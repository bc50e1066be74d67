"""Check that whatever the package exports has a known type, as type checkers of its users see it.

`basedpyright --verifytypes` looks at every module; here only that counts which a program can import from
`gpt_image2` itself, and the modules that it is defined in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, List

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "gpt_image2"


def homes() -> List[str]:
    """The modules that public names are defined in."""
    import gpt_image2

    return sorted({getattr(getattr(gpt_image2, name), "__module__", "") for name in gpt_image2.__all__})


def symbols() -> List[Any]:
    """What the checker says of each symbol of the package."""
    checker = Path(sys.executable).with_name("basedpyright")
    done = subprocess.run(
        [str(checker), "--verifytypes", PACKAGE, "--ignoreexternal", "--outputjson"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        check=False,
    )
    found: List[Any] = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    return found


def main() -> int:
    """Names the public symbols whose type is not known; 1 where there are any."""
    ours = homes()
    public = [
        symbol
        for symbol in symbols()
        if symbol["name"].count(".") == 1
        or any(symbol["name"].startswith(f"{home}.") for home in ours if home.startswith(PACKAGE))
    ]
    unknown = [symbol for symbol in public if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]]
    for symbol in unknown:
        said = "; ".join(each["message"].splitlines()[0] for each in symbol["diagnostics"])
        print(f"{symbol['name']}: {said or 'a part of it has no known type'}", file=sys.stderr)
    print(f"{len(public) - len(unknown)} of {len(public)} public symbols have a known type")
    return int(bool(unknown) or not public)


if __name__ == "__main__":
    sys.exit(main())
