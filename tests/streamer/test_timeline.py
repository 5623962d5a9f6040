from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.timeline import FORWARD, BestStamp, Timeline

TICK = Fraction(1, 90000)
STEP = Fraction(1, 25)
HOUR = Fraction(3600)


def recording(first: Fraction | None = None) -> Timeline:
    return Timeline(TICK, STEP, first)


def live() -> Timeline:
    return Timeline(TICK, STEP, Fraction(0))


def test_a_recordings_stamps_are_kept_exactly() -> None:
    timeline = Timeline(Fraction(1, 12800), STEP)
    stamps = [512, 513, 1024, 90000, 90001]
    assert [timeline.place(Fraction(stamp, 12800)) for stamp in stamps] == stamps
    assert timeline.offset == 0
    assert timeline.repaired == 0


def test_a_gap_of_hours_in_a_recording_is_kept() -> None:
    timeline = recording()
    assert [timeline.place(stamp) for stamp in (Fraction(0), 3 * HOUR)] == [0, 3 * 3600 * 90000]


def test_a_missing_stamp_is_filled_in_by_the_last_step() -> None:
    timeline = recording()
    stamps = [Fraction(0), Fraction(1, 10), None, None, Fraction(4, 10)]
    assert [timeline.place(stamp) for stamp in stamps] == [0, 9000, 18000, 27000, 36000]
    assert timeline.repaired == 2


def test_a_missing_first_stamp_of_a_recording_is_zero() -> None:
    timeline = recording()
    assert [timeline.place(stamp) for stamp in (None, Fraction(1, 25))] == [0, 3600]


def test_two_frames_of_one_stamp_are_a_tick_apart_and_what_follows_is_exact() -> None:
    timeline = recording()
    stamps = [Fraction(0), Fraction(1), Fraction(1), Fraction(9, 10), Fraction(2)]
    assert [timeline.place(stamp) for stamp in stamps] == [0, 90000, 90001, 90002, 180000]
    assert timeline.offset == 0
    assert timeline.repaired == 2


def test_stamps_that_start_again_are_carried_on() -> None:
    timeline = recording()
    stamps = [Fraction(10), Fraction(10) + STEP, Fraction(0), STEP]
    assert [timeline.place(stamp) for stamp in stamps] == [900000, 903600, 907200, 910800]
    assert timeline.offset == Fraction(10) + 2 * STEP


def test_the_next_file_starts_where_the_last_one_ended() -> None:
    timeline = recording()
    for stamp in (Fraction(0), Fraction(1, 5)):
        timeline.place(stamp)
    timeline.restart()
    assert [timeline.place(stamp) for stamp in (Fraction(0), Fraction(1, 5))] == [36000, 54000]
    assert timeline.offset == Fraction(2, 5)
    assert timeline.repaired == 0


def test_a_live_source_starts_at_zero_whatever_its_first_stamp() -> None:
    timeline = live()
    assert timeline.place(7 * HOUR, Fraction(0)) == 0
    assert timeline.place(7 * HOUR + STEP, STEP) == 3600
    assert timeline.offset == -7 * HOUR


def test_a_live_frame_without_a_first_stamp_is_one_step_before_the_next_of_its_burst() -> None:
    timeline = live()
    assert timeline.place(None, Fraction(0)) == 0
    assert timeline.place(5 * HOUR, Fraction(1, 10000)) == 3600
    assert timeline.place(5 * HOUR + STEP, Fraction(1, 10000)) == 7200


def test_a_live_source_that_never_stamps_follows_the_wall() -> None:
    timeline = live()
    waits = [Fraction(0), Fraction(1, 30), Fraction(1, 30), Fraction(2)]
    assert [timeline.place(None, wait) for wait in waits] == [0, 3000, 6000, 186000]


def test_a_jump_by_hours_becomes_the_time_that_really_passed() -> None:
    for jump in (5 * HOUR, -5 * HOUR):
        timeline = live()
        timeline.place(6 * HOUR, Fraction(0))
        timeline.place(6 * HOUR + STEP, STEP)
        assert timeline.place(6 * HOUR + jump, STEP) == 7200
        assert timeline.place(6 * HOUR + jump + STEP, STEP) == 10800
        assert timeline.offset == 2 * STEP - 6 * HOUR - jump
        assert timeline.repaired == 1


def test_a_stall_and_the_burst_after_it_keep_the_sources_times() -> None:
    timeline = live()
    timeline.place(Fraction(0), Fraction(0))
    assert timeline.place(STEP, Fraction(8)) == 3600
    assert [timeline.place(n * STEP, Fraction(1, 1000)) for n in range(2, 5)] == [7200, 10800, 14400]
    assert timeline.repaired == 0


def test_a_slow_camera_does_not_look_like_a_jump() -> None:
    timeline = live()
    timeline.place(Fraction(0), Fraction(0))
    assert timeline.place(Fraction(10), Fraction(10)) == 900000
    assert timeline.repaired == 0


def test_a_reconnect_leaves_a_gap_as_long_as_it_took() -> None:
    timeline = live()
    timeline.place(Fraction(50), Fraction(0))
    timeline.place(Fraction(50) + STEP, STEP)
    timeline.restart()
    assert timeline.place(Fraction(0), Fraction(12)) == 3600 + 12 * 90000
    assert timeline.place(STEP, STEP) == 7200 + 12 * 90000
    assert timeline.repaired == 0


def test_a_reconnect_without_a_first_stamp_keeps_the_gap() -> None:
    timeline = live()
    timeline.place(Fraction(50), Fraction(0))
    timeline.restart()
    assert timeline.place(None, Fraction(12)) == 12 * 90000
    assert timeline.offset is None
    assert timeline.place(Fraction(3), Fraction(0)) == 12 * 90000 + 3600


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.none() | st.fractions(-10_000, 10_000, max_denominator=90000),
            st.fractions(0, 100, max_denominator=1000),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_time_rises_whatever_comes_and_no_step_is_longer_than_a_jump_may_be(
    frames: list[tuple[Fraction | None, Fraction, bool]],
) -> None:
    timeline = live()
    last = None
    for stamp, elapsed, reconnected in frames:
        if reconnected:
            timeline.restart()
        time = timeline.place(stamp, elapsed)
        if last is not None:
            assert 0 < (time - last) * TICK <= max(elapsed, STEP) + FORWARD + TICK
        last = time


def test_the_presentation_stamp_is_taken_where_both_rise() -> None:
    best = BestStamp()
    assert [best.choose(pts, pts - 2) for pts in (2, 3, 4)] == [2, 3, 4]


def test_a_missing_presentation_stamp_is_replaced_by_the_decoding_stamp() -> None:
    best = BestStamp()
    assert [best.choose(None, 0), best.choose(None, 1), best.choose(None, None)] == [0, 1, None]


def test_muddled_presentation_stamps_lose_to_rising_decoding_stamps() -> None:
    best = BestStamp()
    chosen = [best.choose(pts, dts) for dts, pts in enumerate((1, 4, 6, 5, 7, 9, 8, 10))]
    assert chosen[3:] == [3, 4, 5, 6, 7]
