"""Rankings by hand, and cross-validation that keeps scenes apart."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.accident.config import AccidentFitConfig
from trainer.accident.evaluate import cross_validate, evaluate, excess, rank, threshold_of
from trainer.accident.fit import calibrate, fit
from trainer.accident.samples import Samples

FAST = AccidentFitConfig(steps=30)


def samples(
    accident: list[int], clips: list[str], since: list[int], scenes: list[str] | None = None, **fields: Any
) -> Samples:
    count = len(accident)
    values: dict[str, Any] = {
        "looks": np.ones((count, 2, 6), np.float32),
        "before": np.ones((count, 6), np.float32),
        "count": np.zeros(count, np.float32),
    }
    return Samples(
        **{**values, **fields},
        accident=np.array(accident, np.bool_),
        scenes=np.array(clips if scenes is None else scenes),
        clips=np.array(clips),
        since=np.array(since),
    )


def made(seed: int = 0, clips: int = 5, each: int = 20) -> Samples:
    """Clips in whose second half the first feature is larger; each camera has a level of its own."""
    random = np.random.default_rng(seed)
    names = np.repeat([f"clip{number}" for number in range(clips)], each)
    accident = np.tile(np.arange(each) >= each // 2, clips)
    levels = np.repeat(np.geomspace(0.1, 10, clips), each)
    looks = random.uniform(0.5, 1.5, (clips * each, 2, 6)).astype(np.float32)
    looks[:, :, 0] *= (levels * np.where(accident, 3, 1))[:, None]
    before = np.ones((clips * each, 6), np.float32)
    before[:, 0] = levels
    since = np.tile(np.arange(each), clips)
    return Samples(
        looks, before, np.full(clips * each, 1e6, np.float32), accident, names.copy(), names, since
    )


def test_a_ranking_by_hand() -> None:
    given = samples([1, 1, 0, 0, 1, 0], ["a", "a", "a", "a", "b", "b"], [8, 9, 0, 7, 30, 31])
    found = rank(np.array([0.9, 0.5, 0.5, 0.1, 0.2, 0.3]), given, 0)
    # pairs: 0.9 beats three, 0.5 ties with one and beats two, 0.2 beats one
    assert found.auroc == pytest.approx((3 + 2.5 + 1) / 9)
    assert found.within == pytest.approx(((1 + 1 + 0.5 + 1) / 4 + 0) / 2)
    # equally late: 8 and 9 with 7, 30 with 31
    assert found.matched == pytest.approx((1 + 1 + 0) / 3)
    assert found.low <= found.auroc <= found.high


def test_what_says_nothing_wins_half_and_only_lateness_is_lost_by_matching() -> None:
    given = made()
    nothing = rank(np.zeros(len(given)), given, 0)
    assert (nothing.auroc, nothing.low, nothing.high, nothing.within) == (0.5, 0.5, 0.5, 0.5)
    late = rank(given.since.astype(np.float64), given, 0)
    assert late.auroc == late.within == 1.0
    alone = samples([1, 0], ["a", "b"], [0, 50])
    assert (rank(np.zeros(2), alone, 0).within, rank(np.zeros(2), alone, 0).matched) == (None, None)


def test_an_interval_is_of_scenes_and_not_of_looks() -> None:
    # one scene is right and the other wrong, however many looks there are
    clips = ["a"] * 20 + ["b"] * 20
    given = samples(([1] * 10 + [0] * 10) * 2, clips, [0] * 40)
    scores = np.array([1.0] * 10 + [0.0] * 10 + [0.0] * 10 + [1.0] * 10)
    found = rank(scores, given, 0)
    assert (found.low, found.high) == (0.0, 1.0)


def test_training_finds_what_tells_accidents_and_no_camera_stands_out() -> None:
    given = made()
    head = fit(given, FAST)
    shares = head.share.softmax(dim=0).tolist()
    assert shares[0] == max(shares)
    assert shares[0] > 1 / 6
    found = rank(excess(head, given), given, 0)
    assert found.auroc > 0.95
    raw = given.looks[:, :, 0].mean(axis=1, dtype=np.float64)
    assert rank(raw, given, 0).auroc < 0.75  # of cameras compared with each other


def test_a_scene_is_judged_by_a_head_that_has_not_seen_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given = made(clips=4)
    given.scenes[:] = np.where(np.isin(given.clips, ["clip0", "clip1"]), "clip0", given.clips)
    seen: list[set[str]] = []

    def noted(some: Samples, options: AccidentFitConfig) -> Any:
        seen.append(set(some.clips.tolist()))
        return fit(some, options)

    monkeypatch.setattr("trainer.accident.evaluate.fit", noted)
    scores = cross_validate(given, FAST)
    assert seen == [{"clip2", "clip3"}, {"clip0", "clip1", "clip3"}, {"clip0", "clip1", "clip2"}]
    assert rank(scores, given, 0).auroc > 0.9


def test_probabilities_are_calibrated_as_if_half_of_the_looks_were_at_accidents() -> None:
    given = made()
    head = fit(given, FAST)
    said: NDArray[np.float64] = np.concatenate([np.full(90, -1.0), np.full(10, 1.0), np.full(30, 1.0)])
    accident = np.concatenate([np.zeros(100, np.bool_), np.ones(30, np.bool_)])
    calibrate(head, said, accident)
    above = (head.gain.exp() + head.bias).sigmoid().item()
    # a tenth of the others and all accidents say 1: ten to one, if there were as many of both
    assert above == pytest.approx(10 / 11, abs=0.02)


def test_a_threshold_lets_through_so_large_a_share_of_the_others() -> None:
    given = samples([0] * 100 + [1] * 2, ["a"] * 102, [0] * 102)
    scores = np.concatenate([np.arange(100) / 100, [0.5, 2.0]])
    threshold = threshold_of(scores, given, 0.05)
    assert (scores[:100] >= threshold).sum() == 5
    found = evaluate(scores, given, threshold, 0)
    assert (found.found, found.raised) == (0.5, 0.05)
    assert next(iter(found.rows)) == "nothing"
    assert list(found.rows)[-1] == "the head"
