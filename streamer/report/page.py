"""A page that needs nothing but itself: styles within, pictures as data URIs, no scripts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from streamer.report.style import STYLE

_HEAD = "<!doctype html>\n<html lang='en'><head><meta name='generator' content='cctv-streamer'>"
"""What all pages begin with."""


def is_page(file: Path) -> bool:
    """Whether a file is one of our pages."""
    try:
        with file.open("rb") as content:
            return content.read(len(_HEAD)) == _HEAD.encode()
    except OSError:
        return False


class Page:
    """Collects sections, then is written as one file."""

    def __init__(self, title: str, subtitle: str) -> None:
        """Start with a heading.

        Args:
            title: of the page.
            subtitle: a sentence below it.
        """
        self._title = title
        self._parts = [f"<h1>{escape(title)}</h1><p class='soft'>{escape(subtitle)}</p>"]

    def warning(self, text: str) -> None:
        """Add a line that must not be overlooked."""
        self._parts.append(f"<section>{warning(text)}</section>")

    def cards(self, cards: Sequence[tuple[str, str, str]]) -> None:
        """Add the numbers to see first; as for the block of that name."""
        self._parts.append(cards_of(cards))

    def section(self, title: str, *blocks: str, anchor: str = "") -> None:
        """Add a section of blocks that the functions below made; with an anchor it begins a new sheet."""
        name = f" id='{escape(anchor)}'" if anchor else ""
        self._parts.append(f"<section{name}><h2>{escape(title)}</h2>{''.join(blocks)}</section>")

    def encoded(self) -> bytes:
        """Return the file's contents."""
        head = (
            "<meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'>"
            "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; "
            "style-src 'unsafe-inline'; img-src data:\">"
            f"<title>{escape(self._title)}</title><style>{STYLE}</style>"
        )
        body = "\n".join(self._parts)
        page = f"{_HEAD}{head}</head>\n<body><main>\n{body}\n</main></body></html>\n"
        return page.encode("utf-8", "replace")  # JSON may hold half a character


def cards_of(cards: Sequence[tuple[str, str, str]]) -> str:
    """Return numbers that are seen first: label, number and what belongs to it."""
    made = "".join(
        f"<div class='card'><small>{escape(label)}</small><b>{escape(number)}</b>"
        f"<small>{escape(more) or '&nbsp;'}</small></div>"
        for label, number, more in cards
    )
    return f"<div class='cards'>{made}</div>"


def heading(text: str) -> str:
    """Return a heading within a section."""
    return f"<h3>{escape(text)}</h3>"


def warning(text: str) -> str:
    """Return a line that must not be overlooked."""
    return f"<p class='warning'>{escape(text)}</p>"


def facts(said: Sequence[tuple[str, str]]) -> str:
    """Return names, and what each of them is."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in said)
    return f"<dl class='facts'>{rows}</dl>"


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p class='soft'>{escape(text)}</p>"


def plain_table(headings: Sequence[str], rows: Sequence[Sequence[str]], anchors: Sequence[str] = ()) -> str:
    """Return a table of text.

    Args:
        headings: of the columns; the first is of names.
        rows: with a text for each.
        anchors: of the section that each row is about; none where there are no such.
    """
    heads = "".join(f"<th{_left(i)}>{escape(text)}</th>" for i, text in enumerate(headings))
    links = [f"<a href='#{escape(anchor)}'>" for anchor in anchors] or [""] * len(rows)
    body = ""
    for (name, *texts), link in zip(rows, links, strict=True):
        cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
        body += f"<tr><td class='name'>{link}{escape(name)}{'</a>' if link else ''}</td>{cells}</tr>"
    return f"<div class='wide'><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"


def _left(column: int) -> str:
    return "" if column else " class='name'"


def details(summary: str, block: str) -> str:
    """Return a block that is folded away until it is asked for."""
    return f"<details><summary>{escape(summary)}</summary>{block}</details>"


def picture(content: bytes, kind: str, caption: str) -> str:
    """Return a picture within the page.

    Args:
        content: of its file.
        kind: ``png`` or ``jpeg``.
        caption: what it shows, for who cannot see it.
    """
    data = base64.b64encode(content).decode()
    return f"<img alt='{escape(caption)}' src='data:image/{kind};base64,{data}'>"


def gallery(figures: Sequence[tuple[bytes, str, str]], headings: Sequence[str]) -> str:
    """Return JPEGs in a grid, each with what stands left and right below it, under the tiles' headings."""
    heads = "".join(f"<span>{escape(heading)}</span>" for heading in headings)
    made = "".join(
        f"<figure><div class='heads'>{heads}</div>{picture(content, 'jpeg', left)}"
        f"<figcaption><span>{escape(left)}</span><span>{escape(right)}</span></figcaption></figure>"
        for content, left, right in figures
    )
    return f"<div class='grid'>{made}</div>"
