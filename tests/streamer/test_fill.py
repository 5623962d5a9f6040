import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.config import BlurConfig, MaskConfig
from streamer.fill import fill_opencv, fill_torch, noise, spread
from tests.values import street

METHODS = ["gaussian", "pixelate", "solid"]


@settings(max_examples=80)
@given(
    width=st.integers(1, 120), height=st.integers(1, 120), region=st.integers(1, 700),
    method=st.sampled_from(METHODS), kernel=st.sampled_from([None, 51]),
    strength=st.sampled_from([0.02, 0.1, 0.5]),
)  # fmt: skip
def test_opencv_and_torch_fill_alike(width: int, height: int, region: int, **given: object) -> None:
    image = np.ascontiguousarray(street()[:height, :width])
    how = BlurConfig.model_validate({"quantise": 1, **given})
    one = fill_opencv(image, region, how, None)
    other = fill_torch(torch.from_numpy(image), region, how, None)
    assert one.shape == tuple(other.shape) == image.shape
    difference = np.abs(one.astype(int) - other.numpy())
    # a mean is rounded once, a Gaussian by rows, by columns and by interpolation
    assert difference.max() <= (3 if how.method == "gaussian" else 1)
    assert difference.mean() < 0.8  # of an almost even picture rounding may move all samples


@pytest.mark.parametrize("quantise", [2, 4, 8, 16])
def test_opencv_and_torch_coarsen_exactly_alike_and_keep_the_mean(quantise: int) -> None:
    flat = np.arange(256, dtype=np.uint8)[:, None, None].repeat(1000, 1).repeat(3, 2)
    given = {"method": "pixelate", "floor": 1.0, "strength": 1e-6, "quantise": quantise}  # of single pixels
    how = MaskConfig.model_validate(given)
    drawn = noise(256, 1000, how, np.random.default_rng(0))
    assert drawn is not None
    assert (drawn.min(), drawn.max()) == (0, quantise - 1)
    one = fill_opencv(flat, 1, how, drawn)
    assert np.array_equal(one, fill_torch(torch.from_numpy(flat), 1, how, drawn).numpy())
    assert (one % quantise == 0).all()
    below_white = one[: 256 - quantise + 1].mean(axis=(1, 2))
    np.testing.assert_allclose(below_white, np.arange(256 - quantise + 1), atol=0.1 * quantise)
    assert np.abs(one.astype(int) - flat).max() < quantise


def test_noise_is_uniform_and_independent_of_its_neighbours() -> None:
    drawn = noise(400, 401, MaskConfig(), np.random.default_rng(0))
    assert drawn is not None
    np.testing.assert_allclose(np.bincount(drawn.ravel(), minlength=8) / drawn.size, 1 / 8, atol=2e-3)
    centred = drawn - 3.5
    halves = centred.ravel()[: drawn.size // 2], centred.ravel()[drawn.size // 2 :][: drawn.size // 2]
    for one, other in ((centred[1:], centred[:-1]), (centred[:, 1:], centred[:, :-1]), halves):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(centred[..., 0].ravel(), centred[..., 1].ravel())[0, 1]) < 0.01


def test_solid_and_a_step_of_one_need_no_noise() -> None:
    random = np.random.default_rng(0)
    assert noise(5, 5, MaskConfig(method="solid"), random) is None
    assert noise(5, 5, MaskConfig(quantise=1), random) is None


@pytest.mark.parametrize("cell", [49, 98, 103])
def test_a_pixelated_cell_ends_where_it_should_whatever_its_side(cell: int) -> None:
    image = np.zeros((2 * cell, 3 * cell, 3), np.uint8)
    image[:cell, cell : 2 * cell] = 200  # exactly one cell
    how = MaskConfig(method="pixelate", strength=0.5, quantise=1)
    np.testing.assert_array_equal(fill_opencv(image, 2 * cell, how, None), image)
    np.testing.assert_array_equal(fill_torch(torch.from_numpy(image), 2 * cell, how, None).numpy(), image)


def test_a_pixelated_cell_is_the_mean_of_what_it_covers() -> None:
    image = street()
    how = MaskConfig(method="pixelate", strength=0.1, quantise=1)
    part = fill_opencv(image, 160, how, None)  # cells of 16 pixels
    for y in range(0, 240, 16):
        for x in range(0, 320, 16):
            cell = part[y : y + 16, x : x + 16].reshape(-1, 3)
            assert (cell == cell[0]).all()
            mean = image[y : y + 16, x : x + 16].reshape(-1, 3).mean(axis=0)
            np.testing.assert_allclose(cell[0], mean, atol=0.51)


def test_strength_is_relative_to_the_height_down_to_the_floor_for_cells_too() -> None:
    how = MaskConfig(method="pixelate", strength=0.1, floor=4.0)
    assert [spread(height, how) for height in (10, 40, 200)] == [4.0, 4.0, 20.0]
    # a kernel is the Gaussian's
    assert spread(200, MaskConfig(method="pixelate", kernel=51)) == 20.0
    assert spread(200, MaskConfig(kernel=51)) == pytest.approx(8.0)


def wiener(blurred: NDArray[np.float64], sigma: float, ratio: float) -> NDArray[np.float64]:
    """Undo a Gaussian of known σ, given the ratio of noise to signal: the best linear inversion."""
    height, width = blurred.shape
    rows = np.concatenate([blurred, blurred[-2:0:-1]])  # reflected as the blur does: circular then
    both = np.concatenate([rows, rows[:, -2:0:-1]], axis=1)
    down, across = np.fft.fftfreq(both.shape[0])[:, None], np.fft.rfftfreq(both.shape[1])[None]
    transfer = np.exp(-2 * (np.pi * sigma) ** 2 * (down**2 + across**2))
    filtered = np.fft.rfft2(both) * transfer / (transfer**2 + ratio)
    return np.clip(np.fft.irfft2(filtered, both.shape)[:height, :width], 0, 255)


def test_complaint_5_coarse_dithered_levels_cost_a_wiener_inversion_of_known_sigma_half_a_decibel() -> None:
    image = street()
    original = image[..., 1].astype(np.float64)

    def inverted(quantise: int) -> tuple[float, float]:
        how = MaskConfig.model_validate({"kernel": 51, "quantise": quantise})
        drawn = noise(240, 320, how, np.random.default_rng(0))
        blurred = fill_opencv(image, 240, how, drawn)[..., 1].astype(np.float64)
        ratios = 10.0 ** np.arange(-8, -1, 0.5)  # the attacker knows the best one
        errors = [((wiener(blurred, 8.0, ratio) - original) ** 2).mean() for ratio in ratios]
        return tuple(10 * np.log10(255**2 / e) for e in (((blurred - original) ** 2).mean(), min(errors)))

    plain, coarse = inverted(1), inverted(8)
    assert plain[1] > plain[0] + 3  # a plain blur gives back that much
    assert coarse[1] < plain[1] - 0.5
    assert coarse[0] > plain[0] - 0.1  # to look at they are the same


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
def test_cuda_fills_as_the_cpu_does(method: str) -> None:
    how = BlurConfig.model_validate({"method": method, "quantise": 1})
    one = fill_opencv(street(), 200, how, None)
    other = fill_torch(torch.from_numpy(street()).cuda(), 200, how, None).cpu().numpy()
    assert np.abs(one.astype(int) - other).max() <= 3
