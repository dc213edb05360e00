"""Dataclasses to plain data and back, each field checked against its type.

What a field must hold is worked out once a class: decoding an answer of 200 attributes takes half as long so.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Final, NamedTuple, TypeAlias, Union, get_args, get_origin, get_type_hints

from igentai.errors import FrameError

_FIELDS: Final[dict[type[Any], tuple[str, ...]]] = {}


def plain(value: Any) -> dict[str, Any]:
    """A dataclass as a map, those inside it too."""
    kind = type(value)
    names = _FIELDS.get(kind)
    if names is None:
        names = _FIELDS[kind] = tuple(f.name for f in fields(kind))
    return {name: _plain_value(getattr(value, name)) for name in names}


def _plain_value(value: Any) -> Any:
    if type(value) in _SCALARS:
        return value
    if is_dataclass(value):
        return plain(value)
    if isinstance(value, dict):
        return {k: _plain_value(v) for k, v in value.items()}
    return value


# A check gets the value and the field's full name for the error text, and returns the value to keep.
_Check: TypeAlias = Callable[[Any, str], Any]
_SCALARS: Final = frozenset({str, bytes, int, float, bool, type(None)})


class _Field(NamedTuple):
    name: str
    full_name: str
    exact: type[Any] | None  # the one type whose values need no further look
    check: _Check
    default: Callable[[], Any] | None  # None: the field is required


_PLANS: Final[dict[type[Any], tuple[_Field, ...]]] = {}


def _plan(kind: type[Any]) -> tuple[_Field, ...]:
    hints = get_type_hints(kind)
    plan = []
    for f in fields(kind):
        hint = hints[f.name]
        exact = hint if hint in (str, bytes, bool) else None
        plan.append(_Field(f.name, f"{kind.__name__}.{f.name}", exact, _check_of(hint), _default_of(f)))
    return tuple(plan)


def _default_of(f: Field[Any]) -> Callable[[], Any] | None:
    if f.default_factory is not MISSING:
        return f.default_factory
    return None if f.default is MISSING else lambda: f.default


def build(kind: type[Any], data: dict[str, Any]) -> Any:
    """A dataclass out of a map, with every field checked.

    Raises:
        FrameError: a missing or surplus field, or a value of the wrong type. What `data` holds is not in its text.
    """
    plan = _PLANS.get(kind)
    if plan is None:
        plan = _PLANS[kind] = _plan(kind)
    values, found = [], 0
    for name, full_name, exact, check, default in plan:
        value = data.get(name, MISSING)
        if value is MISSING:
            if default is None:
                raise FrameError(f"{kind.__name__} lacks {name}")
            values.append(default())
            continue
        found += 1
        values.append(value if type(value) is exact else check(value, full_name))
    if found != len(data):
        raise FrameError(f"{kind.__name__} carries fields of another version")
    return kind(*values)


def _check_of(hint: Any) -> _Check:
    """The check for a type: a scalar, a message's part, or an optional, list, tuple or map of such."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (option,) = [part for part in parts if part is not type(None)]
        inner = _check_of(option)
        return lambda value, name: None if value is None else inner(value, name)
    if origin is list:
        return _texts if parts[0] is str else _list_of(_check_of(parts[0]))
    if origin is dict:
        return _map_of(_check_of(parts[1]))
    if origin is tuple:
        return _tuple_of(tuple(_check_of(part) for part in parts))
    if is_dataclass(hint):
        return _part_of(typing.cast("type[Any]", hint))
    return _scalar(hint)


def _scalar(kind: type[Any]) -> _Check:
    if kind is int:
        return _int
    if kind is float:
        return _float

    def check(value: Any, name: str) -> Any:
        if type(value) is kind:
            return value
        raise FrameError(f"{name} is not of type {kind.__name__}")

    return check


def _int(value: Any, name: str) -> int:
    if type(value) is int and -(2**63) <= value < 2**63:  # what SQLite can keep
        return value
    raise FrameError(f"{name} is not a 64-bit integer")


def _float(value: Any, name: str) -> float:
    if type(value) in (float, int) and math.isfinite(value):
        return float(value)
    raise FrameError(f"{name} is not a finite number")


def _texts(value: Any, name: str) -> Any:
    if not isinstance(value, list):
        raise FrameError(f"{name} is not a list")
    try:
        "".join(value)  # checks thousands of items at C speed
    except TypeError:
        raise FrameError(f"{name} holds something that is no text") from None
    return value


def _list_of(check_item: _Check) -> _Check:
    def check(value: Any, name: str) -> Any:
        if not isinstance(value, list):
            raise FrameError(f"{name} is not a list")
        return [check_item(item, name) for item in value]

    return check


def _map_of(check_item: _Check) -> _Check:
    def check(value: Any, name: str) -> Any:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise FrameError(f"{name} is not a map")
        return {key: check_item(item, name) for key, item in value.items()}

    return check


def _tuple_of(checks: tuple[_Check, ...]) -> _Check:
    def check(value: Any, name: str) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) != len(checks):
            raise FrameError(f"{name} holds a tuple of another length")
        return tuple(check_part(part, name) for check_part, part in zip(checks, value, strict=True))

    return check


def _part_of(kind: type[Any]) -> _Check:
    def check(value: Any, name: str) -> Any:
        if not isinstance(value, dict):
            raise FrameError(f"{name} is not a map")
        return build(kind, value)

    return check
