"""Everything that the script holds, as small modules; imports nothing above it.

The public names below are those that the generated script has where it is imported. Each is loaded when it is
first asked for: a command pays for what it uses.
"""

from __future__ import annotations

TYPE_CHECKING = False  # checkers take it for true; importing it from typing takes 4 ms
if TYPE_CHECKING:
    from .base.about import VERSION
    from .cli import main
else:

    def __getattr__(name: str) -> object:
        if name in __all__:
            from importlib import import_module

            home = "base.about" if name == "VERSION" else "cli"
            return getattr(import_module(f"{__name__}.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*globals(), *__all__]


__all__ = ["VERSION", "main"]
