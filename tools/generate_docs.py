"""Fill the generated parts of the docs from the code they describe; `--check` exits 1 when one is stale.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Callable, Dict, List, Sequence, Tuple

from cli_reference import command_reference
from consoles import prepare_consoles
from json_reference import json_reference
from rooms import picture, room_table

from gpt_image2.core.api import cost, models, sizes
from gpt_image2.core.base.outcome import ExitCode
from gpt_image2.core.calls.retry import RULES

ROOT = Path(__file__).resolve().parent.parent
SKILL = ROOT / "skills/gpt-image-2"
RESULTS = ROOT / "bench/results.json"
DOCS = (
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    SKILL / "SKILL.md",
    *sorted((SKILL / "references").glob("*.md")),
)
PRICED_SIZES = ("1024x1024", "1536x1024", "2048x1152", "3840x2160")
PRICED_QUALITIES = ("low", "medium", "high")
RATIOS = ("1:1", "3:2", "16:9", "9:16", "21:9", "16:9@2k", "16:9@4k")
PART = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def retry_rules() -> str:
    """The policy of core/calls/retry.py as a Markdown table."""
    rows = [(rule.when, rule.billed.value, rule.again.value) for rule in RULES]
    return table(("what happened", "billed", "sent again"), rows)


def exit_codes() -> str:
    """The exit codes as a Markdown table."""
    return table(("exit", "meaning"), [(str(int(code)), code.meaning) for code in ExitCode])


def limits() -> str:
    """What the API accepts for its default model."""
    rows = [
        ("prompt", f"up to {models.MAX_PROMPT_CHARS:,} characters"),
        ("images a call (`n`)", f"1 to {models.MAX_N}"),
        ("input images of an edit", f"up to {models.MAX_INPUT_IMAGES}; png, jpeg or webp"),
        ("one input image", f"up to {models.MAX_INPUT_BYTES // 1024**2} MB"),
        ("mask", f"PNG with alpha, size of the first image, up to {models.MAX_MASK_BYTES // 1024**2} MB"),
        ("edges", f"multiples of {sizes.EDGE_STEP}, up to {sizes.MAX_EDGE} pixels"),
        ("ratio", f"up to {sizes.MAX_RATIO:.0f}:1"),
        ("area", f"{sizes.MIN_PIXELS:,} to {sizes.MAX_PIXELS:,} pixels; above 2560x1440 experimental"),
        ("previews (`partial_images`)", f"0 to {models.MAX_PARTIAL_IMAGES}"),
    ]
    return table(("what", "limit"), rows)


def family() -> str:
    """What each model of the family takes, besides what all take."""
    rows: List[Tuple[str, ...]] = []
    for model in models.MODELS:
        more = [*model.qualities[4:], *model.output_formats[3:]]
        more += ["complexity"] if model.takes_complexity else []
        more += ["markup"] if model.takes_markup else []
        dated = [f"`{name}`" for name in model.names[1:]]
        rows.append((f"`{model.names[0]}`", ", ".join(dated), ", ".join(f"`{name}`" for name in more)))
    return table(("model", "dated", "takes besides"), rows)


def named_sizes() -> str:
    """The names and some ratios that --size takes, and what is sent for them."""
    rows = [(f"`{name}`", str(sizes.resolve_size(name))) for name in (*sizes.SIZE_NAMES, *RATIOS)]
    return table(("`--size`", "sent as"), rows)


def prices() -> str:
    """USD per million tokens."""
    price = cost.PRICES.get(models.DEFAULT_MODEL)
    if price is None:
        raise SystemExit(f"no price of {models.DEFAULT_MODEL} in core/api/models.py")
    rows = [
        ("text in", price.text_in),
        ("text in, cached", price.cached_text_in),
        ("image in", price.image_in),
        ("image in, cached", price.cached_image_in),
        ("image out", price.image_out),
    ]
    return table(("tokens", "USD per million"), [(name, f"{usd:.2f}") for name, usd in rows])


def image_costs() -> str:
    """Output tokens and USD of one image."""
    rows = [
        (size, *(f"{tokens:,} (${usd:.4f})" for tokens, usd in (cost_of(size, q) for q in PRICED_QUALITIES)))
        for size in PRICED_SIZES
    ]
    return table(("size", *PRICED_QUALITIES), rows)


def image_prices() -> str:
    """USD of one image, to the tenth of a cent."""
    rows = [(size, *(f"{cost_of(size, q)[1]:.3f}" for q in PRICED_QUALITIES)) for size in PRICED_SIZES]
    return table(("size", *PRICED_QUALITIES), rows)


def cost_of(size: str, quality: str) -> Tuple[int, float]:
    """Output tokens and USD of one image without its prompt."""
    width, height = (int(edge) for edge in size.split("x"))
    estimate = cost.estimate_cost(models.DEFAULT_MODEL, "", size, quality, 1)
    if estimate is None:
        raise SystemExit(f"no price of {models.DEFAULT_MODEL} in core/api/models.py")
    return cost.output_tokens(width, height, quality), estimate.high_usd


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(cells)} |\n" for cells in (head, *rows)]
    return "".join([lines[0], "|" + "---|" * len(head) + "\n", *lines[1:]])


def rooms() -> str:
    """The rooms of core, from the top down."""
    return table(("room of core", "its one job"), room_table())


def bench_figures() -> str:
    """The figures of the latest benchmark that the README quotes."""
    sys.path.insert(0, str(ROOT))
    from bench.quote import quote
    from bench.results import read_json

    return quote(read_json(RESULTS))


PARTS: Dict[str, Callable[[], str]] = {
    "retry-rules": retry_rules,
    "commands": command_reference,
    "exit-codes": exit_codes,
    "limits": limits,
    "models": family,
    "sizes": named_sizes,
    "prices": prices,
    "image-costs": image_costs,
    "image-prices": image_prices,
    "bench-figures": bench_figures,
    "rooms": rooms,
    "json": json_reference,
}
#: Files that are generated as a whole.
FILES: Dict[Path, Callable[[], str]] = {ROOT / "docs/rooms.svg": picture}


def filled(text: str) -> str:
    """A document with its generated parts made anew."""
    return PART.sub(lambda match: match.group(1) + PARTS[match.group("name")]() + match.group(3), text)


def main() -> int:
    """Write the generated parts, or check them."""
    prepare_consoles()
    parser = argparse.ArgumentParser(description="Fill the generated parts of the docs.")
    parser.add_argument("--check", action="store_true", help="exit 1 when a document is stale; write nothing")
    check = parser.parse_args().check
    fresh = {path: filled(path.read_text(encoding="utf-8")) for path in DOCS}
    fresh.update((path, make()) for path, make in FILES.items())
    stale: List[str] = []
    for path, text in fresh.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{'Stale' if check else 'Wrote'} {name}", file=sys.stderr if check else sys.stdout)
    if check and stale:
        print("rebuild with: make docs", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
