"""Generate and edit images with gpt-image-2: nothing paid for is lost, no key leaks.

from gpt_image2 import generate
result = generate("A cute cat on a windowsill", output="cat.png", quality="low")
print(result.images[0].path, result.cost_usd)
"""

from __future__ import annotations

from .core import *  # noqa: F403
from .core import VERSION
from .core import __all__ as __all__

__version__ = VERSION
