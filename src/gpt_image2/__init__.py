"""Generate and edit images with gpt-image-2: nothing paid for is lost, no key leaks.

from gpt_image2 import generate
result = generate("A cute cat on a windowsill", output="cat.png", quality="low")
print(result.images[0].path, result.cost_usd)
"""

from __future__ import annotations

from . import core
from .core import __all__ as __all__
from .core.base.about import VERSION

__version__ = VERSION

TYPE_CHECKING = False  # as in core
if TYPE_CHECKING:
    from .core import *  # noqa: F403
else:

    def __getattr__(name: str) -> object:
        if name in __all__:
            return getattr(core, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
