"""Frozen records: what `@dataclass(frozen=True)` makes, without the time that it takes at every start.

`dataclasses` compiles the methods of each class anew; for all of core that takes longer than Python's own
start. Here the classes share one set of methods. To checkers (by `record.pyi`) and to the functions of
`dataclasses` a record is a frozen dataclass like any other. See ADR 6.
"""

from __future__ import annotations

from typing import Any, ClassVar, Dict, NoReturn, Tuple


class _FieldsOnDemand:
    """What the functions of `dataclasses` look for; made when one of them is used."""

    def __get__(self, record: object, kind: type) -> Dict[str, Any]:
        from dataclasses import field, fields, make_dataclass
        from functools import partial

        def described(name: str) -> Any:
            return field(default_factory=partial(getattr, kind, name)) if hasattr(kind, name) else field()

        specs = [(name, object, described(name)) for name in kind.__annotations__]
        return {one.name: one for one in fields(make_dataclass(kind.__name__, specs))}


class Record:
    """A frozen value. The annotated names of its class are its fields, in order, with their defaults."""

    __dataclass_fields__ = _FieldsOnDemand()
    __match_args__: ClassVar[Tuple[str, ...]]
    _defaults: ClassVar[Dict[str, object]]

    def __init_subclass__(cls) -> None:
        cls.__match_args__ = tuple(cls.__annotations__)
        cls._defaults = {name: vars(cls)[name] for name in cls.__match_args__ if name in vars(cls)}

    def __init__(self, *values: object, **named: object) -> None:
        names = self.__match_args__
        given = {**self._defaults, **dict(zip(names, values)), **named}
        twice = named.keys() & set(names[: len(values)])
        if len(values) > len(names) or twice or given.keys() != set(names):
            raise TypeError(f"{type(self).__name__} takes each of these once: {', '.join(names)}")
        self.__dict__.update({name: given[name] for name in names})

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__qualname__}({values})"

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")


def replace(record: Any, **changes: object) -> Any:
    """The same record with other values in some of its fields."""
    known: Dict[str, object] = record.__dict__
    if not changes.keys() <= known.keys():
        return record.__class__(**{**known, **changes})  # which says what is wrong
    new: Any = object.__new__(record.__class__)
    new.__dict__.update(known, **changes)  # a batch makes ten copies a job
    return new
