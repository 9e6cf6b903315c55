"""The private store's append-only file: whether all its parts are there and whole, and mending it.

It is a folder: a base (RDB, or commands as the rest), what was appended since (``incr``, commands
in Redis's protocol), and a manifest that names them in order. Without the manifest Valkey starts as
an empty store, and says no word. The parts are checked by Valkey's own tools, which its server's
program becomes when it is called by their names.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chatroom.config.errors import StartError

#: The folder, in the one that the store runs in.
FOLDER: Final = "appendonlydir"
MANIFEST: Final = "appendonly.aof.manifest"
#: A base with nothing in it is smaller, in bytes: what a first start that was cut short leaves.
_EMPTY_BASE: Final = 128
_PART = re.compile(r"appendonly\.aof\.(\d+)\.(base|incr)\.(rdb|aof)")
#: How the RDB format begins.
_RDB: Final = (b"REDIS", b"VALKEY")
#: The commands that put something into a conversation.
_ENTRY = re.compile(rb"\r\nXADD\r\n\$\d+\r\nchatroom:(?:room|mailbox):")
#: Bytes that are copied at once.
_PIECE: Final = 1 << 20

_WAY_OUT: Final = "put it back from a backup (docs/operations.md, 'When the store is damaged')"


@dataclass(frozen=True, slots=True)
class Part:
    """One of its files: how many bytes of it can be read, and what is wrong behind them."""

    path: Path
    base: bool
    size: int
    whole: int
    problem: str = ""


def check_parts(folder: Path, *, had_store: bool) -> None:
    """Whether what ``folder`` should hold is there.

    :param folder: the append-only file's.
    :param had_store: there was a store here before.
    :raises StartError: started like this, the store would hold less than it did.
    """
    parts = _found(folder)
    if not (folder / MANIFEST).exists():
        if any(_has_content(part) for part in parts):
            raise StartError(
                f"{folder} has no {MANIFEST}: without it the store would start with nothing in it; "
                f"{_WAY_OUT}, or have 'chatroom-admin check-store --repair' write it anew"
            )
        if had_store:
            raise StartError(
                f"the private store's data is gone: there is no append-only file in {folder}; "
                f"{_WAY_OUT}, or, to begin with nothing, remove {folder.parent.parent / 'store-id'}"
            )
        return
    for path in named(folder):
        if not path.exists():
            raise StartError(f"{path}, a part of the private store's data, is missing; {_WAY_OUT}")


def named(folder: Path) -> list[Path]:
    """The parts that the manifest names, in order.

    :raises StartError: it can't be read.
    """
    manifest = folder / MANIFEST
    paths = []
    try:
        for line in manifest.read_text("utf-8").splitlines():
            words = shlex.split(line, comments=True)
            fields = dict(zip(words[::2], words[1::2], strict=True))
            if fields and fields["type"] != "h":
                paths.append(folder / fields["file"])
    except (OSError, ValueError, KeyError) as error:
        raise StartError(f"{manifest} can't be read ({error}); {_WAY_OUT}") from None
    if not paths:
        raise StartError(f"{manifest} names no part of the private store's data; {_WAY_OUT}")
    return paths


def sizes(folder: Path) -> dict[str, int]:
    """How large each part is that was appended to, in bytes, by its name."""
    return {path.name: path.stat().st_size for path in folder.glob("*.incr.aof")}


def write_manifest(folder: Path) -> Path:
    """Write the manifest anew, from the parts that are there; gives its path.

    :raises StartError: there are none, or more than one of them is a base: which was valid is not
        known.
    """
    parts = sorted(_found(folder), key=lambda path: (".base." not in path.name, _number(path)))
    bases = [path for path in parts if ".base." in path.name]
    if not parts or len(bases) > 1:
        raise StartError(f"which parts in {folder} belong together is not known; {_WAY_OUT}")
    lines = [
        f"file {path.name} seq {_number(path)} type {'b' if path in bases else 'i'}\n"
        for path in parts
    ]
    fresh = folder / f"{MANIFEST}.new"
    with fresh.open("w", encoding="ascii") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    return fresh.rename(folder / MANIFEST)


def examine(folder: Path, binary: Path) -> list[Part]:
    """Look at every part that the manifest names, in order.

    :param binary: the store's program.
    :raises StartError: a part is missing, or it can't be told.
    """
    check_parts(folder, had_store=True)
    return [_examine(path, binary) for path in named(folder)]


def cut(parts: list[Part], copies: Path) -> list[tuple[Path, int]]:
    """Leave of the parts what lies before the first damage: all that is known to be so.

    :param copies: a new folder for what is cut off.
    :return: the copies, and how many messages each holds as far as it can be read.
    :raises StartError: the base is damaged: nothing would be left that is known to be right.
    :raises OSError: nothing was cut then of that part, or of those after it.
    """
    damaged = next((index for index, part in enumerate(parts) if part.problem), len(parts))
    if damaged < len(parts) and parts[damaged].base and parts[damaged].whole == 0:
        raise StartError(f"{parts[damaged].path} can't be mended: {_WAY_OUT}")
    made = []
    for index, part in enumerate(parts[damaged:]):
        keep = part.whole if index == 0 else 0
        if keep == part.size:
            continue
        copies.mkdir(mode=0o700, exist_ok=True)
        copy = copies / f"{part.path.name}.from-{keep}"
        made.append((copy, _copy_end(part.path, keep, copy)))
        os.truncate(part.path, keep)
    return made


def _examine(path: Path, binary: Path) -> Part:
    size = path.stat().st_size
    base = ".base." in path.name
    with path.open("rb") as file:
        rdb = file.read(6).startswith(_RDB)
    if size == 0 and not base:
        return Part(path, base, size, size)
    tool = "check-rdb" if rdb else "check-aof"
    family = "valkey" if binary.name.startswith("valkey") else "redis"
    ran = subprocess.run(  # nosec B603 # noqa: S603 - the store's own program
        [f"{family}-{tool}", str(path)],
        executable=str(binary),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if ran.returncode == 0:
        return Part(path, base, size, size)
    if rdb:
        words = re.findall(r"^\[offset \d+\] (.*)$", ran.stdout, re.MULTILINE)
        why = next((word for word in words if "rror" in word), "it can't be read")
        return Part(path, base, size, 0, why)
    found = re.search(r"ok_up_to=(\d+)", ran.stdout)
    if found is None:
        said = " / ".join((ran.stdout + ran.stderr).strip().splitlines()[-2:])
        raise StartError(f"{path} could not be checked: {said or f'status {ran.returncode}'}")
    whole = int(found[1])
    return Part(path, base, size, whole, f"no whole command at byte {whole}")


def _copy_end(path: Path, begin: int, copy: Path) -> int:
    """Copy what lies behind ``begin``, and bring it to the disk; gives how many messages it has."""
    count, before = 0, b""
    with path.open("rb") as source, copy.open("xb") as target:
        source.seek(begin)
        while piece := source.read(_PIECE):
            target.write(piece)
            # What lies across the border between two pieces is counted with the second.
            count += len(_ENTRY.findall(before + piece)) - len(_ENTRY.findall(before))
            before = piece[-64:]
        target.flush()
        os.fsync(target.fileno())
    copy.chmod(0o600)
    return count


def _found(folder: Path) -> list[Path]:
    return [path for path in folder.glob("appendonly.aof.*") if _PART.fullmatch(path.name)]


def _number(path: Path) -> int:
    match = _PART.fullmatch(path.name)
    assert match is not None, "only such are found"
    return int(match[1])


def _has_content(path: Path) -> bool:
    return path.stat().st_size > (_EMPTY_BASE if ".base." in path.name else 0)
