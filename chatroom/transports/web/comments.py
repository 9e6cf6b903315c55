"""Scripts and styles without their comments, which are for who reads the files, not for browsers.

It takes only the standard library, as the package is built by it, too.
"""

from __future__ import annotations

import re

#: Whole lines of them; what stands behind code stays. No string of ours goes over several lines.
_COMMENT = re.compile(rb"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/)[ \t]*$", re.MULTILINE | re.DOTALL)


def without_comments(name: str, body: bytes) -> bytes:
    """What is sent of the file ``name``: each line is where it was, so that errors name it."""
    if not name.endswith((".css", ".js")):
        return body
    return _COMMENT.sub(lambda found: b"\n" * found[0].count(b"\n"), body)
