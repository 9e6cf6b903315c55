"""The headers of every answer: what a browser may do with it, and what it must not."""

from __future__ import annotations

#: Nothing but the page's own files, no script or style in the markup, and no frame around it. The
#: WebSocket is ``'self'`` too: Content Security Policy Level 3, 6.7.2.8.
_CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    b"img-src 'self' data:; font-src 'self'; manifest-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = (
    (b"Content-Security-Policy", _CONTENT_SECURITY_POLICY),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (
        b"Permissions-Policy",
        b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
)
#: With TLS: for a year a browser comes by TLS only. In seconds.
HSTS = (b"Strict-Transport-Security", b"max-age=31536000")
