"""Strips comments from scripts and styles: they are for people, not for browsers.

It takes only the standard library, as the package is built by it, too.
"""

from __future__ import annotations

import re

#: Whole lines only; comments behind code stay. None of our strings spans several lines.
_COMMENT = re.compile(rb"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/)[ \t]*$", re.MULTILINE | re.DOTALL)


def without_comments(name: str, body: bytes) -> bytes:
    """The file ``name`` without comments; line numbers stay the same, for error messages."""
    if not name.endswith((".css", ".js")):
        return body
    return _COMMENT.sub(lambda found: b"\n" * found[0].count(b"\n"), body)
