"""All settings of one server, read from its command line or its environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chatroom.config.errors import StartError
from chatroom.config.option_parsers import Option
from chatroom.config.options import OPTIONS, Settings


def read(
    given: Mapping[str, Sequence[str]], called: Callable[[Option], str] = lambda o: f"--{o.name}"
) -> Settings:
    """Settings from texts by `Option.field`; an absent one has its default.

    :param called: the name of an option in error messages.
    :raises ValueError: one of them is invalid; the text names it, and says what is valid.
    """
    values: dict[str, Any] = {}
    for option in OPTIONS:
        texts = given.get(option.field) or ([] if option.default is None else [option.default])
        try:
            parsed = [option.parse(text) for text in texts]
        except ValueError as error:
            raise ValueError(f"{called(option)}: {error}") from None
        values[option.field] = tuple(parsed) if option.many else parsed[-1] if parsed else None
    return Settings(**values)


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Settings from ``CHATROOM_LISTEN``, ``CHATROOM_REDIS`` and so on; empty counts as absent.

    Several values of an option that can be given several times are separated by blanks. Endpoints
    have colons, equals signs and backslashes of their own, so one that holds a blank can only be
    given by ``--listen``.

    :raises StartError: one of them is invalid.
    """
    given: dict[str, list[str]] = {}
    for option in OPTIONS:
        text = environ.get(option.variable, "").strip()
        if text:
            given[option.field] = text.split() if option.many else [text]
    try:
        return read(given, lambda option: option.variable)
    except ValueError as error:
        raise StartError(str(error)) from None
