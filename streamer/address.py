"""Addresses of cameras, shown without the credentials in them."""

from __future__ import annotations

import re

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>[^\s'\"<>]*)")
_SECRET = re.compile(
    r"(?i)(?P<key>(?:user(?:name)?|usr|login|pass(?:word|wd)?|pwd|auth|token|secret|(?:api_?)?key|sig(?:nature)?)"
    r"[=:])[^&;/?#\s'\"<>]*"
)
HIDDEN = "***"
"""What stands in place of a credential."""


def mask(text: str) -> str:
    """``text`` with the credentials of every URL in it replaced.

    Hidden are user and password before the ``@``, and what follows names such as ``password=`` in the path or
    the query, where many cameras want them. A password with an ``@`` or a ``/`` that was not escaped is
    hidden too: everything up to the last ``@`` goes.

    >>> mask("rtsp://admin:s3cret@10.0.0.7/stream1")
    'rtsp://***@10.0.0.7/stream1'
    """

    def hide(match: re.Match[str]) -> str:
        user, at, address = match["rest"].rpartition("@")
        shown = _SECRET.sub(lambda found: found["key"] + HIDDEN, address)
        return match["scheme"] + (HIDDEN if user or at else "") + at + shown

    return _URL.sub(hide, text)


def is_live(source: str) -> bool:
    """Whether ``source`` is the address of a live camera rather than a path."""
    return source.lower().startswith(("rtsp://", "rtsps://"))
