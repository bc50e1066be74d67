"""`--show`: the images of a call on the terminal of standard error, once they are saved.

What draws them is an optional part of the package. Nothing that it does changes how the call ends.
"""

from __future__ import annotations

from typing import Callable

from ..base.optional_part import import_pictures
from ..base.outcome import Result
from ..base.redact import show
from ..telling.output import Output


def showing(output: Output) -> Callable[[Result], None]:
    """What draws the images of a result where standard error is a terminal for people, and nothing elsewhere.

    Raises:
        UsageError: the optional part is not installed.
    """
    drawer = import_pictures("commands.show").drawer

    def show_images(result: Result) -> None:
        if not output.is_live:
            return
        try:
            draw: Callable[[str], None] = drawer()
            for image in result.images:
                draw(image.path)
        except Exception as problem:  # the call has ended as it ended
            output.warn(
                f"the picture is not shown: {show(getattr(problem, 'message', None) or str(problem))}"
            )

    return show_images
