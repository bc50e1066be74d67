"""Fill the generated parts of the docs from the code they describe; `--check` exits 1 when one is stale.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Callable, Dict, List

from gpt_image2.core.retry import RULES

ROOT = Path(__file__).resolve().parent.parent
DOCS = (ROOT / "skills/gpt-image-2/references/troubleshooting.md",)
PART = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def retry_rules() -> str:
    """The policy of core/retry.py as a Markdown table."""
    rows = [f"| {rule.when} | {rule.billed.value} | {rule.again.value} |" for rule in RULES]
    return "\n".join(["| what happened | billed | sent again |", "|---|---|---|", *rows]) + "\n"


PARTS: Dict[str, Callable[[], str]] = {"retry-rules": retry_rules}


def filled(text: str) -> str:
    """A document with its generated parts made anew."""
    return PART.sub(lambda match: match.group(1) + PARTS[match.group("name")]() + match.group(3), text)


def main() -> int:
    """Write the generated parts, or check them."""
    parser = argparse.ArgumentParser(description="Fill the generated parts of the docs.")
    parser.add_argument("--check", action="store_true", help="exit 1 when a document is stale; write nothing")
    check = parser.parse_args().check
    stale: List[str] = []
    for path in DOCS:
        text = path.read_text(encoding="utf-8")
        if filled(text) != text:
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                path.write_text(filled(text), encoding="utf-8")
    for name in stale:
        print(f"{'Stale' if check else 'Wrote'} {name}", file=sys.stderr if check else sys.stdout)
    if check and stale:
        print("rebuild with: make docs", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
