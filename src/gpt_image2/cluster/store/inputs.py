"""Inputs that lie in object storage, brought to files of this machine for one call."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gpt_image2.core.api.models import MAX_INPUT_BYTES
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.outputs.files import temporary_folder

from .objects import open_objects, scheme_of, shown_address, split_address


def is_stored(source: str) -> bool:
    """Whether a source names an object in a store; core knows paths and http(s) addresses itself."""
    return scheme_of(source) not in ("", "http", "https")


def save_object(address: str, what: str, path: Path, most_bytes: int | None = None) -> None:
    """Brings what an object holds to a file.

    Raises:
        UsageError: there is none, or it is larger than `most_bytes`.
        StoreError: the store refuses it.
    """
    folder, name = split_address(address)
    objects = open_objects(folder, is_read=True)
    if most_bytes is not None:
        found = objects.head(name)
        if found is not None and found.size_bytes > most_bytes:
            raise UsageError(
                f"{what} {shown_address(address)} is larger than {most_bytes:,} bytes",
                hint="give a smaller one; nothing was sent",
            )
    if not objects.save(name, path):
        raise UsageError(
            f"{what} {shown_address(address)} is missing", hint="check the address; nothing was sent"
        )


@contextmanager
def fetched(
    sources: Sequence[str], mask: str | None, markup: str | None
) -> Generator[tuple[list[str], str | None, str | None], None, None]:
    """The sources, the mask and the markup, as files here where they lie in a store; those go at the end."""
    if not any(is_stored(each) for each in (*sources, mask or "", markup or "")):
        yield list(sources), mask, markup
        return
    with temporary_folder() as folder:

        def here(source: str, number: int) -> str:
            if not is_stored(source):
                return source
            path = Path(folder) / f"{number}-{source.rpartition('/')[2][-60:]}"
            save_object(source, "the input", path, MAX_INPUT_BYTES)
            return str(path)

        yield (
            [here(each, number) for number, each in enumerate(sources)],
            None if mask is None else here(mask, len(sources)),
            None if markup is None else here(markup, len(sources) + 1),
        )
