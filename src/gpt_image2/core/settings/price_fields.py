"""The prices of a config file."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Tuple, cast

from ..api.cost import PRICES, TextPrices
from ..api.models import Prices
from ..base.errors import ConfigError

_MAX_USD = 1_000_000
_PARTS, _TEXT_PARTS = Prices.__match_args__, TextPrices.__match_args__


def read_prices(
    content: Mapping[str, Any], place: Callable[..., str]
) -> Tuple[Dict[str, Prices], Dict[str, TextPrices]]:
    """Prices of image models and of language models, by model; a `text_out` makes it one of these. Parts that
    are missing are those of the list price. `place` names the file and line of a field, given its name and
    those around it, outermost first."""
    prices: Dict[str, Prices] = {}
    text_prices: Dict[str, TextPrices] = {}
    for model, value in content.items():
        if isinstance(value, dict) and "text_out" in value:
            text_prices[model] = TextPrices(**_read_model(model, value, place, _TEXT_PARTS))
        else:
            prices[model] = Prices(**_read_model(model, value, place, _PARTS))
    return prices, text_prices


def _read_model(
    model: str, content: Any, place: Callable[..., str], known: Tuple[str, ...]
) -> Dict[str, float]:
    name = f"prices.{model}"
    if not isinstance(content, dict):
        raise ConfigError(
            f"{place('prices', model)}: field {name!r} must be an object",
            hint=f'it should look like {{"image_out": 30}}; the parts are {", ".join(known)}',
        )
    given = cast(Dict[str, Any], content)
    for part, usd in given.items():
        where = f"{place('prices', model, part)}: field {f'{name}.{part}'!r}"
        if part not in known:
            raise ConfigError(f"{where} is not known", hint=f"the parts are {', '.join(known)}")
        is_number = isinstance(usd, (int, float)) and not isinstance(usd, bool)
        if not is_number or not 0 <= usd <= _MAX_USD:
            raise ConfigError(
                f"{where} must be a number of USD per million tokens, from 0 to {_MAX_USD:,}",
                hint="give it without quotes, or remove it for the list price",
            )
    parts: Dict[str, float] = dict(vars(PRICES[model])) if model in PRICES and known is _PARTS else {}
    parts.update((part, float(usd)) for part, usd in given.items())
    missing = [part for part in known if part not in parts]
    if missing:
        raise ConfigError(
            f"{place('prices', model)}: field {name!r} lacks {', '.join(missing)}",
            hint=f"{model} has no list price to fall back to; give all of its parts, or of a model that "
            "writes SVGs text_in and text_out",
        )
    return parts
