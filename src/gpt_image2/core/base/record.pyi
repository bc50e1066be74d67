"""What checkers know of `record`: a subclass of `Record` is a frozen dataclass.

`typing.dataclass_transform` came with Python 3.11; a stub may use it for every version.
"""

from dataclasses import Field
from typing import Any, ClassVar, Dict, Tuple, TypeVar

from typing_extensions import dataclass_transform

_Record = TypeVar("_Record", bound="Record")

@dataclass_transform(frozen_default=True)
class Record:
    __dataclass_fields__: ClassVar[Dict[str, Field[Any]]]
    __match_args__: ClassVar[Tuple[str, ...]]

def replace(record: _Record, **changes: object) -> _Record: ...
