"""Pages: known again, and nothing in them is taken for markup."""

from pathlib import Path

from streamer.report import page
from streamer.report.page import Page

EVIL = "<img src=x onerror='alert(1)'>\"&"


def test_everything_that_is_said_is_escaped() -> None:
    made = Page(EVIL, EVIL)
    made.warning(EVIL)
    made.cards([(EVIL, EVIL, EVIL)])
    blocks = [
        page.paragraph(EVIL), page.heading(EVIL), page.facts([(EVIL, EVIL)]), page.details(EVIL, ""),
        page.plain_table([EVIL], [[EVIL]], [EVIL]), page.picture(b"x", "jpeg", EVIL),
        page.gallery([(b"x", EVIL, EVIL)], [EVIL]),
    ]  # fmt: skip
    made.section(EVIL, *blocks, anchor=EVIL)
    text = made.encoded().decode()
    assert "onerror=" not in text.replace("onerror=&#x27;", "")
    assert "<img src=x" not in text
    assert text.count("&lt;img src=x onerror=&#x27;alert(1)&#x27;&gt;&quot;&amp;") >= 20


def test_a_page_forbids_whatever_would_be_fetched_or_run() -> None:
    text = Page("a", "b").encoded().decode()
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text
    assert "<script" not in text
    assert "://" not in text


def test_half_a_character_does_not_stop_a_page() -> None:
    assert b"<title>?</title>" in Page("\ud800", "").encoded()


def test_our_pages_are_known_from_others(tmp_path: Path) -> None:
    (tmp_path / "ours.html").write_bytes(Page("a", "b").encoded())
    (tmp_path / "other.html").write_text("<!doctype html><html><p>mine</html>")
    assert page.is_page(tmp_path / "ours.html")
    assert not page.is_page(tmp_path / "other.html")
    assert not page.is_page(tmp_path / "none.html")
