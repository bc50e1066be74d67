"""What the studio says of money and settings: sums of the ledger, where each setting comes from, and the
checks of `doctor`. The key is never among it, not even masked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.base.interrupt import StopSwitch
from gpt_image2.core.commands.checks import check_json, examine
from gpt_image2.core.commands.options import ServerFlags
from gpt_image2.core.history.formatting import spending_json
from gpt_image2.core.history.spending import is_rehearsal, spending_rows, sum_of, sums_by
from gpt_image2.core.ledger.database import LEDGER_NAME, read_database
from gpt_image2.core.ledger.entries import utc_text
from gpt_image2.core.settings.config import Settings

from .settings import StudioSettings

_THERE = "✓"


class Overview:
    """The endpoints of these."""

    def __init__(self, settings: StudioSettings) -> None:
        self._settings = settings
        self._ledger: Path = settings.state_dir / LEDGER_NAME

    def routes(self) -> list[Route]:
        """The routes, below the studio's root."""
        return [
            Route("/api/spending", self.spending, methods=["GET"]),
            Route("/api/settings", self.settings, methods=["GET"]),
            Route("/api/doctor", self.doctor, methods=["POST"]),
        ]

    def spending(self, _: Request) -> Response:
        """`GET /api/spending`: today, this month, all of it, and by model, in real money."""
        now = datetime.fromtimestamp(time.time()).astimezone()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        database = read_database(self._ledger)
        try:
            rows = spending_rows(database, None)
        finally:
            database.close()
        real = [row for row in rows if not is_rehearsal(row)]
        spans = {"today": utc_text(today.timestamp()), "month": utc_text(today.replace(day=1).timestamp())}
        found: dict[str, object] = {
            name: spending_json(sum_of((row for row in real if row["started_at"] >= since), name))
            for name, since in spans.items()
        }
        found["total"] = spending_json(sum_of(real, "total"))
        found["models"] = [spending_json(one) for one in sums_by(real, "model")]
        found["days"] = [spending_json(one) for one in sums_by(real, "day")[-31:]]
        found["sandbox"] = spending_json(sum_of(filter(is_rehearsal, rows), "sandbox"))
        return JSONResponse(found)

    def settings(self, _: Request) -> Response:
        """`GET /api/settings`: each setting in force, and where it comes from."""
        settings = self._flags().settings()
        sources: Mapping[str, str] = settings.sources
        return JSONResponse(
            {
                "config": settings.config_file.path if settings.config_file else None,
                "settings": [
                    {"name": name, "value": value, "source": sources.get(name, "")}
                    for name, value in _values(settings, self._settings).items()
                ],
                "warnings": list(settings.warnings),
            }
        )

    def doctor(self, _: Request) -> Response:
        """`POST /api/doctor`: what `doctor` finds; it costs nothing."""
        checks = [check_json(check) for check in examine(self._flags(), StopSwitch())]
        return JSONResponse({"checks": [{**check, **self._without_key(check)} for check in checks]})

    def _without_key(self, check: Mapping[str, object]) -> dict[str, str]:
        """The words of a check, without the masked key in them."""
        words = {name: str(check[name]) for name in ("detail", "cure")}
        with suppress(GptImage2Error):  # without settings there is no key
            shown = self._flags().settings().masked_key
            words = {name: text.replace(shown, _THERE) for name, text in words.items()}
        return words

    def _flags(self) -> ServerFlags:
        flags = ServerFlags()
        flags.config, flags.profile = self._settings.config, self._settings.profile
        flags.base_url, flags.api_key = self._settings.base_url, self._settings.api_key
        flags.no_history = False
        return flags


def _values(settings: Settings, studio: StudioSettings) -> dict[str, str]:
    return {
        "profile": settings.profile or "–",
        "base_url": settings.base_url,
        "api_key": _THERE if settings.api_key or settings.key_header else "–",
        "model": settings.model,
        "format_field": settings.format_field,
        "image_field": settings.image_field,
        "history": _THERE if settings.history else "–",
        "output_dir": str(studio.output_dir),
        "state_folder": str(studio.state_dir),
    }
