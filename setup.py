"""Building the package: the page's files get their compressed forms beside them."""

from __future__ import annotations

import gzip
import runpy
from collections.abc import Iterator
from pathlib import Path

import brotli
from setuptools import setup
from setuptools.command.build_py import build_py

WEB = Path("chatroom", "transports", "web")
STATIC = WEB / "static"
_files = runpy.run_path(str(Path(__file__).parent / WEB / "files.py"))
#: What is text; pictures and fonts are compressed already.
COMPRESSIBLE = {".css", ".html", ".ico", ".js", ".json", ".mjs", ".svg", ".txt", ".webmanifest"}


def compress(folder: Path) -> Iterator[Path]:
    """Put the compressed forms of all text in ``folder`` beside it; gives their paths.

    The server finds them there (`chatroom.transports.web.files`).
    """
    for path in sorted(folder.rglob("*")):
        if path.suffix not in COMPRESSIBLE:
            continue
        plain = _files["without_comments"](path.name, path.read_bytes())
        # The same bytes each time: a package built twice is the same package.
        forms = {".gz": gzip.compress(plain, 9, mtime=0), ".br": brotli.compress(plain)}
        for ending, form in forms.items():
            if len(form) < len(plain):
                compressed = path.with_name(path.name + ending)
                compressed.write_bytes(form)
                yield compressed


class BuildWithCompressedFiles(build_py):
    """What setuptools does, and then that."""

    def run(self) -> None:
        super().run()
        # An editable install runs from the checkout, where nothing is to be left.
        if not self.editable_mode:
            list(compress(Path(self.build_lib) / STATIC))


setup(cmdclass={"build_py": BuildWithCompressedFiles})
