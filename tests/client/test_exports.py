"""What the library hands out can be named by who uses it."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from typing import Any

import pytest

import chatroom.client
from chatroom.client import ChatClient, connect


def named_in(annotation: Any) -> Iterator[type]:
    """The classes that an annotation is made of, those of its arguments too."""
    arguments = typing.get_args(annotation)
    for argument in arguments:
        # The arguments of a callable are in a list of their own.
        for inner in argument if isinstance(argument, list) else [argument]:
            yield from named_in(inner)
    if isinstance(annotation, type) and not arguments:
        yield annotation


def annotated(function: Any) -> Iterator[type]:
    for annotation in typing.get_type_hints(function).values():
        yield from named_in(annotation)


def of_the_client() -> Iterator[type]:
    """Every class in the annotations of what is public."""
    yield from annotated(connect)
    yield from annotated(ChatClient.__init__)
    for name, member in inspect.getmembers(ChatClient):
        if not name.startswith("_"):
            yield from annotated(member.fget if isinstance(member, property) else member)


def ours(classes: Iterator[type]) -> set[type]:
    return {cls for cls in classes if cls.__module__.partition(".")[0] == "chatroom"}


def test_whatever_the_client_takes_or_hands_out_is_exported() -> None:
    found: set[type] = set()
    new = ours(of_the_client())
    while new:
        found |= new
        # What is in them is handed out with them.
        new = ours(cls for outer in new for cls in annotated(outer)) - found
    assert {"Person", "Seq", "UsersResMes", "ReadMes", "Sent", "Position"} <= {
        cls.__name__ for cls in found
    }
    exported = {getattr(chatroom.client, name) for name in chatroom.client.__all__}
    assert sorted(cls.__name__ for cls in found - exported) == []


@pytest.mark.parametrize("name", ["send", "history", "users", "users_page", "change_password"])
def test_the_help_says_that_an_answer_is_to_be_awaited(name: str) -> None:
    returns = inspect.signature(getattr(ChatClient, name)).return_annotation
    assert returns.startswith("Deferred[")


def test_the_words_of_the_protocol_that_a_bot_needs_are_exported() -> None:
    assert {"LOBBY", "Code", "Status"} <= set(chatroom.client.__all__)


def test_all_that_is_said_to_be_exported_is_there() -> None:
    assert all(hasattr(chatroom.client, name) for name in chatroom.client.__all__)
