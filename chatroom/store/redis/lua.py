"""The atomic steps on the store: the Lua scripts in the folder ``scripts``, by their names."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Final


class Script:
    """One atomic step: a Lua script, with what all of them share before it."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.sha = hashlib.sha1(text, usedforsecurity=False).hexdigest()


def _load() -> dict[str, Script]:
    folder = resources.files("chatroom.store.redis") / "scripts"
    texts = {file.name.removesuffix(".lua"): file.read_bytes() for file in folder.iterdir()}
    common = texts.pop("common")
    return {name: Script(common + text) for name, text in texts.items()}


SCRIPTS: Final = _load()
