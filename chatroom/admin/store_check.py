"""The command that looks at a private store's files, with no server running, and mends them."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from chatroom.admin.context import Failed
from chatroom.admin.output import Output
from chatroom.config.data_folder import DataFolder
from chatroom.config.errors import StartError
from chatroom.store.valkey import append_only
from chatroom.store.valkey.append_only import Part
from chatroom.store.valkey.binary import find_binary
from chatroom.store.valkey.leftover import holder


def check_store(args: Namespace, output: Output) -> None:
    """:raises Failed: it is damaged, or could not be checked or mended."""
    data: Path = args.data
    if not (data / "store").is_dir():
        raise Failed(f"there is no private store in {data}: give --data the server's data folder")
    folder = DataFolder(data)
    try:
        folder.open()
        _check(data / "store", output, repair=args.repair)
    except StartError as error:
        raise Failed(str(error)) from None
    except OSError as error:
        raise Failed(f"{error.strerror}: {error.filename}") from None
    finally:
        folder.close()


def _check(store: Path, output: Output, *, repair: bool) -> None:
    process = holder(store / "valkey.lock")
    if process is not None:
        raise Failed(f"the store runs still, as process {process}: end it first")
    appended = store / append_only.FOLDER
    done = []
    if repair and not (appended / append_only.MANIFEST).exists():
        done.append(f"Wrote {append_only.write_manifest(appended)} anew")
    parts = append_only.examine(appended, find_binary()[0])
    damaged = next((part for part in parts if part.problem), None)
    copies = []
    if repair and damaged is not None:
        copies = append_only.cut(parts, store / f"cut-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    done += [
        f"Cut off {copy.stat().st_size} bytes, with {messages} messages in them that can be read; "
        f"they are kept in {copy}"
        for copy, messages in copies
    ]
    value = {
        "files": [_as_json(part) for part in parts],
        "cut": [
            {"copy": str(copy), "bytes": copy.stat().st_size, "messages": messages}
            for copy, messages in copies
        ],
    }
    output.give(value, [*map(_in_words, parts), *done])
    if damaged is not None and not repair:
        raise Failed(
            f"{damaged.path.name} is damaged: with --repair what lies behind its last whole "
            "command is cut off and kept in a file; a backup may hold more"
            if damaged.whole or not damaged.base
            else f"{damaged.path.name} is damaged and can't be mended: put back a backup"
        )


def _as_json(part: Part) -> dict[str, object]:
    return {
        "file": part.path.name,
        "bytes": part.size,
        "whole": part.whole,
        "problem": part.problem or None,
    }


def _in_words(part: Part) -> str:
    if not part.problem:
        return f"{part.path.name}: {part.size} bytes, whole"
    return (
        f"{part.path.name}: {part.size} bytes, of which the last {part.size - part.whole} can't be "
        f"read: {part.problem}"
    )
