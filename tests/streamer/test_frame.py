"""Values that travel."""

from dataclasses import replace

import numpy as np

from streamer.frame import Detections
from tests.values import detections

SEEN = detections((0, 0, 4, 4), (1, 1, 5, 5), score=0.5)
SAID = replace(
    detections((2, 2, 6, 6), label="person"), tracks=np.array([7], np.int64), carried=np.array([True])
)


def test_joined_detections_are_one_list_after_the_other() -> None:
    both = Detections.join([SEEN, Detections.none(), detections((2, 2, 6, 6), label="person")])
    assert both.boxes.tolist() == [[0, 0, 4, 4], [1, 1, 5, 5], [2, 2, 6, 6]]
    np.testing.assert_allclose(both.scores, [0.5, 0.5, 0.9])
    assert both.labels == ("car", "car", "person")
    assert (both.tracks, both.carried, both.looked) == (None, None, True)


def test_joined_with_what_has_tracks_the_others_have_none_and_were_seen() -> None:
    both = Detections.join([SEEN, SAID])
    assert both.tracks is not None
    assert both.carried is not None
    assert both.tracks.tolist() == [-1, -1, 7]
    assert both.carried.tolist() == [False, False, True]


def test_what_tracks_say_does_not_make_a_frame_one_that_was_looked_at() -> None:
    for looked in [True, False]:
        both = replace(SEEN, looked=looked).and_carried(replace(SAID, looked=not looked, carried=None))
        assert both.looked is looked
        assert both.carried is not None
        assert both.carried.tolist() == [False, False, True]
        assert SEEN.and_carried(Detections.none()) is SEEN
