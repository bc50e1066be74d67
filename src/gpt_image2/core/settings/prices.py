"""Reads the `prices` of a config file: what tokens cost where they do not cost the list price. Pure."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, cast

from ..api.models import PRICES, Prices
from ..base.errors import ConfigError

_MAX_USD = 1_000_000
_PARTS = Prices.__match_args__


def read_prices(content: Mapping[str, Any], place: Callable[..., str]) -> Dict[str, Prices]:
    """Prices by model; parts that are missing are those of the list price.

    `place` names the file and line of a field, given its name and those around it, outermost first.

    Raises:
        ConfigError: no number of USD, an unknown part, or a part missing of a model without a list price.
    """
    return {model: _read_model(model, value, place) for model, value in content.items()}


def _read_model(model: str, content: Any, place: Callable[..., str]) -> Prices:
    name = f"prices.{model}"
    if not isinstance(content, dict):
        raise ConfigError(
            f"{place('prices', model)}: field {name!r} must be an object",
            hint=f'it should look like {{"image_out": 30}}; the parts are {", ".join(_PARTS)}',
        )
    given = cast(Dict[str, Any], content)
    for part, usd in given.items():
        where = f"{place('prices', model, part)}: field {f'{name}.{part}'!r}"
        if part not in _PARTS:
            raise ConfigError(f"{where} is not known", hint=f"the parts are {', '.join(_PARTS)}")
        is_number = isinstance(usd, (int, float)) and not isinstance(usd, bool)
        if not is_number or not 0 <= usd <= _MAX_USD:
            raise ConfigError(
                f"{where} must be a number of USD per million tokens, from 0 to {_MAX_USD:,}",
                hint="give it without quotes, or remove it for the list price",
            )
    parts: Dict[str, float] = dict(vars(PRICES[model])) if model in PRICES else {}
    parts.update((part, float(usd)) for part, usd in given.items())
    missing = [part for part in _PARTS if part not in parts]
    if missing:
        raise ConfigError(
            f"{place('prices', model)}: field {name!r} lacks {', '.join(missing)}",
            hint=f"{model} has no list price to fall back to; give all of its parts",
        )
    return Prices(**parts)
