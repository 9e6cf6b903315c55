"""The atomic steps on the store: Lua scripts, in the folder ``scripts``."""

from __future__ import annotations

import hashlib
from importlib import resources


class Script:
    """One atomic step: a Lua script, with what all of them share before it."""

    def __init__(self, name: str) -> None:
        folder = resources.files("chatroom.store.redis") / "scripts"
        parts = [(folder / f"{part}.lua").read_bytes() for part in ("common", name)]
        self.text = b"".join(parts)
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()
