"""Addresses of cameras, shown without the credentials in them."""

from __future__ import annotations

import re

_SCHEME = r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+:/{1,2})"  # one slash is what pathlib leaves of two
_URL = re.compile(_SCHEME + r"(?P<rest>[^\s'\"<>]*)")
_NOTHING_ELSE = re.compile(_SCHEME + r"(?P<rest>.*)", re.DOTALL)
_SECRET = re.compile(
    r"(?i)(?P<key>(?:user(?:name)?|usr|login|pass(?:word|wd)?|pwd|auth|token|secret|(?:api_?)?key|sig(?:nature)?)"
    r"[=:])[^&;/?#]*"
)
HIDDEN = "***"
"""What stands in place of a credential."""


def mask(text: str) -> str:
    """``text`` with the credentials of every URL in it replaced.

    Hidden are user and password before the ``@``, and what follows names such as ``password=`` in the path or
    the query, where many cameras want them. A password with an ``@`` or a ``/`` that was not escaped is
    hidden too: everything up to the last ``@`` goes. A text that starts with a URL is taken for that URL and
    nothing else, since a password may hold spaces and quotes.

    >>> mask("rtsp://admin:s3cret@10.0.0.7/stream1")
    'rtsp://***@10.0.0.7/stream1'
    """

    def hide(match: re.Match[str]) -> str:
        user, at, address = match["rest"].rpartition("@")
        shown = _SECRET.sub(lambda found: found["key"] + HIDDEN, address)
        return match["scheme"] + (HIDDEN if user or at else "") + at + shown

    pattern = _NOTHING_ELSE if _NOTHING_ELSE.match(text) else _URL
    return pattern.sub(hide, text)


def is_live(source: str) -> bool:
    """Whether ``source`` is the address of a live camera rather than a path."""
    return source.lower().startswith(("rtsp://", "rtsps://"))
