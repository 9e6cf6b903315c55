"""The page's files: read once, with the ETags by which a browser knows that it has them.

It takes only the standard library, as the package is built by it, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

#: Where they are in the package.
FOLDER = Path(__file__).parent / "static"
#: The file that is the page, and the one that is its service worker.
INDEX, WORKER = "index.html", "sw.js"

#: Content types by the name's ending. The system's own table differs from machine to machine.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
#: Encodings of a file that may lie beside it, the best first, with the ending of their names. They
#: are made when the package is built; a checkout has none.
ENCODINGS = {"br": ".br", "gzip": ".gz"}
#: Whole lines only; comments behind code stay. None of our strings spans several lines.
_COMMENT = re.compile(rb"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/)[ \t]*$", re.MULTILINE | re.DOTALL)


class Representation(NamedTuple):
    """A file's bytes in one encoding; ``etag`` is theirs alone."""

    encoding: str
    body: bytes
    etag: str


class File(NamedTuple):
    """A file, with the encodings that there are; the last one is the file as it is."""

    content_type: str
    representations: tuple[Representation, ...]

    def choose(self, accept_encoding: str) -> Representation:
        """The best body for an ``Accept-Encoding`` header (RFC 9110, 12.5.3)."""
        weights = _weights(accept_encoding)
        for_all = weights.get("*", 0.0)
        best = max(
            self.representations[:-1],
            key=lambda one: weights.get(one.encoding, for_all),
            default=self.representations[-1],
        )
        taken = weights.get(best.encoding, for_all) > 0
        return best if taken else self.representations[-1]


def read_files(folder: Path = FOLDER) -> dict[str, File]:
    """All files in ``folder`` and below, by the path from there.

    :raises OSError: one can't be read.
    """
    return {
        path.relative_to(folder).as_posix(): _read(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in TYPES and path.is_file()
    }


def service_worker(files: Mapping[str, File]) -> File | None:
    """The service worker, with the list of the page's files and the version of them.

    So it is another one as soon as any file is, which is how a browser notices. Pictures that only
    an installed page has are none of it. None: there is no `WORKER` among the files.
    """
    if WORKER not in files:
        return None
    parts = {
        "/" if name == INDEX else f"/static/{name}": file.representations[-1]
        for name, file in files.items()
        if name != WORKER and not name.endswith(".png")
    }
    etags = "".join(part.etag for part in parts.values())
    version = sha256(etags.encode("ascii")).hexdigest()[:16]
    told = f"const VERSION = {json.dumps(version)};\nconst FILES = {json.dumps(list(parts))};\n"
    body = told.encode("ascii") + files[WORKER].representations[-1].body
    return File(TYPES[".js"], (_representation("identity", body),))


def without_comments(name: str, body: bytes) -> bytes:
    """The file ``name`` without comments; line numbers stay the same, for error messages."""
    if not name.endswith((".css", ".js")):
        return body
    return _COMMENT.sub(lambda found: b"\n" * found[0].count(b"\n"), body)


def is_known(etag: str, if_none_match: str) -> bool:
    """Whether that ``If-None-Match`` header contains ``etag``."""
    known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in known or known == ["*"]


def _read(path: Path) -> File:
    encoded = [
        _representation(encoding, path.with_name(path.name + ending).read_bytes())
        for encoding, ending in ENCODINGS.items()
        if path.with_name(path.name + ending).is_file()
    ]
    plain = _representation("identity", without_comments(path.name, path.read_bytes()))
    return File(TYPES[path.suffix], (*encoded, plain))


def _representation(encoding: str, body: bytes) -> Representation:
    return Representation(encoding, body, f'"{sha256(body).hexdigest()[:32]}"')


def _weights(accept_encoding: str) -> Mapping[str, float]:
    """Each encoding's weight, from 0 (never) to 1."""
    weights = {}
    for item in accept_encoding.lower().split(","):
        name, _, parameters = item.partition(";")
        key, _, value = parameters.partition("=")
        weight = 1.0
        if key.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                weight = 0.0
        weights[name.strip()] = weight
    return weights
