"""What the exit codes mean, as `--help` and the references say it. Their numbers: `ExitCode` in `outcome`."""

from __future__ import annotations

EXIT_MEANINGS = {
    0: "all images saved",
    1: "internal error",
    2: "usage or bad input; nothing was sent",
    3: "configuration or credentials (no key, 401, 403)",
    4: "rate limit or quota (429)",
    5: "blocked by moderation",
    6: "other API error, or an answer without a usable image",
    7: "network error or timeout",
    8: "an output could not be written where it was asked for",
    9: "partial: some images saved, some not",
    10: "a check does not hold",
    130: "interrupted (Ctrl-C)",
    143: "terminated (SIGTERM)",
}
EXIT_CODES = "exit codes:\n" + "\n".join(f"  {code:>3}  {text}" for code, text in EXIT_MEANINGS.items())
