"""Shows the keyword arguments of functions to people who look at them while their program runs (`help`,
notebooks): checkers and editors read them from the types."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Mapping, Tuple, TypeVar

F = TypeVar("F", bound=Callable[..., object])


def takes(options: Any) -> Callable[[F], F]:
    """Gives a function whose last parameter is `**options` the parameters of that `TypedDict`."""
    hints: Mapping[str, Any] = options.__annotations__

    def with_signature(function: F) -> F:
        own = inspect.signature(function)
        named: Tuple[inspect.Parameter, ...] = tuple(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None if "Optional" in _text(hint) or "None" in _text(hint) else _LEFT_OUT,
                annotation=_text(hint),
            )
            for name, hint in hints.items()
        )
        before = tuple(own.parameters.values())[:-1]
        taken = {parameter.name for parameter in before}
        kept = tuple(each for each in named if each.name not in taken)
        vars(function)["__signature__"] = own.replace(parameters=(*before, *kept))
        return function

    return with_signature


class _LeftOut:
    def __repr__(self) -> str:
        return "..."


_LEFT_OUT = _LeftOut()


def _text(hint: Any) -> str:
    return str(getattr(hint, "__forward_arg__", hint))
