import pytest

from streamer.address import is_live, mask


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://camera.local/stream1", "rtsp://camera.local/stream1"),
        ("rtsp://10.0.0.7:554/a?channel=1&subtype=0", "rtsp://10.0.0.7:554/a?channel=1&subtype=0"),
        ("rtsp://admin:s3cret@10.0.0.7/stream1", "rtsp://***@10.0.0.7/stream1"),
        ("RTSPS://admin@10.0.0.7/stream1", "RTSPS://***@10.0.0.7/stream1"),
        ("rtsp://admin:s3@cret@10.0.0.7/a", "rtsp://***@10.0.0.7/a"),
        ("rtsp://admin:s3/cret@10.0.0.7/a", "rtsp://***@10.0.0.7/a"),
        ("rtsp://admin:s3?cr#et@10.0.0.7/a", "rtsp://***@10.0.0.7/a"),
        ("rtsp://h/a?user=admin&password=s3cret&channel=1", "rtsp://h/a?user=***&password=***&channel=1"),
        ("rtsp://h/user=admin&password=s3cret&channel=1.sdp", "rtsp://h/user=***&password=***&channel=1.sdp"),
        ("rtsp://h/user=admin_password=s3cret_channel=1.sdp", "rtsp://h/user=***"),
        ("http://h/hook?token=s3cret", "http://h/hook?token=***"),
    ],
)
def test_credentials_are_hidden_and_the_rest_is_shown(url: str, shown: str) -> None:
    assert mask(url) == shown


def test_every_url_in_a_text_is_masked() -> None:
    text = "gate: 'rtsp://a:s3cret@h/1' failed, then rtsp://b:s3cret@h/2, see /a@b"
    assert mask(text) == "gate: 'rtsp://***@h/1' failed, then rtsp://***@h/2, see /a@b"


def test_a_path_is_shown_as_it_is() -> None:
    assert mask("footage/user=admin@home.mp4") == "footage/user=admin@home.mp4"


@pytest.mark.parametrize(
    ("source", "live"),
    [("rtsp://h/1", True), ("RTSPS://h/1", True), ("a.mp4", False), ("rtsp", False), ("C:/a.mp4", False)],
)
def test_only_rtsp_addresses_are_live(source: str, live: bool) -> None:
    assert is_live(source) is live
