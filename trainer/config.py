"""A training run's YAML file as typed, validated objects."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator
from torch import nn

from streamer import nets
from streamer.config import BlurConfig
from streamer.detectors import DetectConfig
from streamer.errors import ConfigError
from streamer.section import Section, validate
from streamer.yaml_file import read, read_yaml, require_version, substitute
from trainer import losses, similarity

HIDING = ("deblur", "inpaint")
"""Tasks whose pairs are made by hiding what a detector finds."""


class DataConfig(Section):
    """Where frames come from and which clips serve what."""

    kaggle: str = "ckay16/accident-detection-from-cctv-footage/versions/1"
    """Handle of a Kaggle dataset; a versioned one is answered from ``KAGGLEHUB_CACHE`` without a network."""
    folder: str | None = None
    """A folder with frames, sub-folders too, in place of the dataset."""
    extra: list[str] = Field(default_factory=list)
    """Folders whose pictures are trained on too, but for those of clips that serve anything else."""
    test_folder: str | None = None
    """A folder whose pictures are the test side, such as a standard test set; ``test`` then
    counts for nothing."""
    frames: str = "frames"
    """Where the dataset's images are gathered, flat."""
    cache: str = "cache"
    """Where detected boxes and pairs are kept between runs."""
    clips: Literal["name", "folder"] = "name"
    """What tells a frame's clip: its name up to the last ``_NUMBER``, or the folder that it lies in."""
    groups: list[list[str]] = Field(default_factory=list)
    """Clips that show one scene and must fall on the same side."""
    exclude: list[str] = Field(default_factory=list)
    """Clips that are kept out of everything."""
    validation: list[str] | float = 0.15
    """Clips to choose epochs by: their names, or a share chosen by a seeded hash of the names."""
    test: list[str] | float = 0.2
    """Clips to report on: likewise."""
    subsets: SubsetsConfig | None = None
    """Train over some of the pictures at a time: epoch by epoch one subset after the other."""
    duplicates: Literal["refuse", "drop"] = "refuse"
    """What to do about pictures on different sides that look alike: stop and name them, or leave them out
    of training and validation."""

    @field_validator("validation", "test")
    @classmethod
    def _some(cls, clips: list[str] | float) -> list[str] | float:
        if isinstance(clips, list) and not clips:
            raise ValueError("expected at least one clip")
        if isinstance(clips, float) and not 0.0 < clips < 1.0:
            raise ValueError(f"expected names of clips, or a share between 0 and 1, found {clips:g}")
        return clips


class SubsetsConfig(Section):
    """A set that is too large to be decoded at once, in parts that take turns."""

    count: int = Field(ge=1, le=100_000)
    """How many subsets there are."""
    each: int = Field(ge=1)
    """Pictures in each; they are drawn by the seed, and none comes again before all have come."""


class PairsConfig(Section):
    """What a (degraded, clean) pair is."""

    of: Literal["frames", "regions", "crops"] = "frames"
    """``frames``: whole frames, resized; ``regions``: each hidden region as streamer cuts it, resized;
    ``crops``: squares of a frame at its own resolution, where something is hidden around hidden regions."""
    size: int = Field(default=128, ge=8, le=1024)
    """Side in pixels of the squares."""
    context: float = Field(default=0.25, ge=0.0, le=4.0)
    """How far a region is grown on each side before it is cut, as a share of its width and height; crops are
    trained without, and restored with it."""
    variants: int = Field(default=1, ge=1, le=1000)
    """For regions: how often each training frame is hidden, each time with other boxes and strength. For
    crops: how many of each training frame an epoch has."""
    jitter: float = Field(default=0.0, ge=0.0, le=0.5)
    """How far a box's edges move at random from the second variant on, as a share of its width and height."""
    elsewhere: int = Field(default=0, ge=0, le=64)
    """How many boxes of any size and place are hidden beside those of objects, from the second variant on:
    what is in them looks different, but blurs alike."""
    strengths: list[float] = Field(default=[1.0, 1.0], min_length=2, max_length=2)
    """Least and most factor on the blur's strength, at random, from the second variant on."""

    @field_validator("strengths")
    @classmethod
    def _ordered(cls, strengths: list[float]) -> list[float]:
        if not 0.0 < strengths[0] <= strengths[1]:
            raise ValueError(f"expected two factors above 0, the smaller first, found {strengths}")
        return strengths


class NoiseConfig(Section):
    """What ``task: denoise`` does to a picture.

    Two numbers in place of one are the least and the most: each picture has its own (a blind denoiser).
    """

    sigma: float | list[float] = 51.0
    """Standard deviation of Gaussian noise, of 255."""
    gain: float | list[float] = 0.0
    """Of photon noise, by how much its variance grows with each of 255 levels of brightness: 255 divided by
    the number of photons that make white."""
    jpeg: int | list[int] | None = None
    """Quality of a JPEG that the noisy picture is then made into; None leaves it, and its values beyond black
    and white, as it is."""
    h264: int | list[int] | None = None
    """x264's constant rate factor at which it is then made into a key frame."""
    clipped: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of pictures that are cut off at black and white and in 8 bits without compression too."""

    @field_validator("sigma", "gain", "jpeg", "h264")
    @classmethod
    def _range(
        cls, given: float | list[float] | list[int] | None, info: ValidationInfo
    ) -> float | list[float] | list[int] | None:
        if given is None:
            return None
        least, most = {"jpeg": (1, 100), "h264": (0, 51)}.get(str(info.field_name), (0, 255))
        bounds = given if isinstance(given, list) else [given, given]
        if len(bounds) != 2 or not least <= bounds[0] <= bounds[1] <= most:
            raise ValueError(
                f"expected a number from {least} to {most}, or two, the smaller first, found {given}"
            )
        return given


class ColourConfig(Section):
    """What ``task: colourise`` gives beside the grey picture."""

    hints: Literal["none", "plate", "sparse"] = "none"
    """``plate``: half of the pictures come with most of their own colour, as a fixed camera's plate gives it
    where nothing moved; ``sparse``: they come with the colour of some spots, as one would dab it on. A
    network has to take hints for both."""
    spots: int = Field(default=16, ge=1, le=10_000)
    """For sparse hints: most spots in a picture; each has its own number from none to so many."""


class PairedConfig(Section):
    """Two folders whose pictures have their partners under the same names, whatever the suffixes."""

    degraded: str
    """What comes in; for ``task: colourise`` the grey pictures."""
    clean: str
    """What is to come out."""


class AnomalyConfig(Section):
    """What ``task: anomaly`` learns what is normal from."""

    subsets: int = Field(default=10, ge=1, le=100_000)
    """How many sets of pictures are drawn. Training takes one after the other, each for an equal share of
    ``fit.epochs``."""
    pictures: int = Field(default=1000, ge=1, le=100_000)
    """In each subset; where there are fewer frames they come again, changed as ``fit.augment`` says."""
    misbehaving: int = Field(default=50, ge=0)
    """Of these: out of focus, before a wall, or covered."""

    @model_validator(mode="after")
    def _mostly_normal(self) -> AnomalyConfig:
        if self.misbehaving >= self.pictures:
            raise ValueError(
                f"misbehaving: expected fewer than the {self.pictures} of pictures, found {self.misbehaving}"
            )
        return self


class NetworkConfig(Section):
    """Which network, and its own options beside the name."""

    model_config = ConfigDict(extra="allow")

    name: str = "autoencoder"
    """One of ``streamer.nets.NAMES``."""

    @model_validator(mode="after")
    def _known(self) -> NetworkConfig:
        nets.options(self.name, self.options)
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The network's options by key."""
        return dict(self.model_extra or {})


class FitConfig(Section):
    """How weights are found."""

    loss: str | dict[str, float] = "mse"
    """Over whole frames, or over the hidden pixels of regions: one of ``trainer.losses.LOSSES``, or several
    with the weight of each, of which ``adversarial`` may be one."""
    backbone: str | None = None
    """State dict of a MobileNetV2 trained on ImageNet, torchvision's or one with its tensors in its order, to
    start from; for networks that have one."""
    epochs: int = Field(default=5, ge=1, le=100_000)
    batch: int = Field(default=16, ge=1, le=4096)
    """Pairs per step."""
    rate: float = Field(default=1e-3, gt=0.0, le=1.0)
    """Adam's learning rate."""
    schedule: Literal["constant", "cosine"] = "constant"
    """``cosine`` warms up over the first 5% of the steps, then falls to zero."""
    ema: float | None = Field(default=None, ge=0.5, lt=1.0)
    """Decay per step of an average over the weights, which is then what is validated and kept."""
    clip: float | None = Field(default=None, gt=0.0)
    """Largest norm of the gradient."""
    augment: list[Literal["mirror", "flip", "colour", "scale"]] = Field(default_factory=list)
    """What happens to pairs at random: ``mirror`` left to right, ``flip`` upside down, ``colour`` changes
    contrast and brightness, and swaps the channels where something is hidden, ``scale`` cuts crops of up to
    three times the size and reduces them."""
    patience: int | None = Field(default=None, ge=1)
    """Epochs without a better one after which training ends early; None trains all of them."""
    compile: bool = False
    """Let torch.compile translate the network first, which takes a minute and a C++ compiler."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Lightning's name of the arithmetic."""
    devices: int = Field(default=1, ge=1, le=1024)
    """How many devices train together."""

    @field_validator("loss", mode="before")
    @classmethod
    def _terms(cls, loss: object) -> object:
        losses.terms(loss)
        return loss

    @model_validator(mode="after")
    def _what_two_networks_can(self) -> FitConfig:
        if losses.ADVERSARIAL in self.loss:
            if self.devices > 1:
                raise ValueError(f"devices: expected 1 with an adversarial loss, found {self.devices}")
            if self.precision == "16-mixed":
                raise ValueError(
                    "precision: expected '32-true' or 'bf16-mixed' with an adversarial loss, found '16-mixed'"
                )
        return self


class TrainConfig(Section):
    """The whole file."""

    version: Literal[1] = 1
    task: Literal["deblur", "inpaint", "denoise", "colourise", "paired", "anomaly"] = "deblur"
    """What a pair is made by: hiding, hiding that leaves nothing (``blur.method: solid``), noise, taking the
    colour away, or none of these: ``paired`` has both pictures, ``anomaly`` one, to be drawn as it is."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    data: DataConfig = DataConfig()
    detect: DetectConfig = DetectConfig()
    """What finds the objects to hide; the same as streamer's."""
    blur: BlurConfig = BlurConfig()
    """What hides them; the same as streamer's."""
    noise: NoiseConfig = NoiseConfig()
    """For ``task: denoise``."""
    colour: ColourConfig = ColourConfig()
    """For ``task: colourise``."""
    paired: PairedConfig | None = None
    """For ``task: paired``, and for ``task: colourise`` in place of pictures whose colour is taken away."""
    anomaly: AnomalyConfig = AnomalyConfig()
    """For ``task: anomaly``."""
    pairs: PairsConfig = PairsConfig()
    network: NetworkConfig = NetworkConfig()
    fit: FitConfig = FitConfig()

    @model_validator(mode="before")
    @classmethod
    def _solid(cls, given: Any) -> Any:
        """Let ``inpaint`` hide by what leaves nothing where no method is given."""
        if isinstance(given, dict) and given.get("task") == "inpaint":
            blur = given.get("blur", {})
            if isinstance(blur, dict):
                return {**given, "blur": {"method": "solid", **blur}}
        return given

    @field_validator("blur")
    @classmethod
    def _one_for_all(cls, blur: BlurConfig) -> BlurConfig:
        if blur.by_class:
            raise ValueError(f"{', '.join(blur.by_class)}: pairs know no classes; give one setting for all")
        return blur


def task_of(path: Path) -> object:
    """Return the task that a training run's file names: some have configurations of their own.

    Raises:
        ConfigError: the file cannot be read.
    """
    return read_yaml(path).get("task")


def load(path: Path, environment: Mapping[str, str] = os.environ) -> TrainConfig:
    """Read and validate a training run's file.

    Raises:
        ConfigError: anything about it is wrong; one line with the file, the key and what was expected.
    """
    return read(path, lambda data: parse(substitute(data, environment)))


def parse(data: Mapping[str, Any]) -> TrainConfig:
    """Validate a configuration that is already a mapping, as the YAML file would give it.

    Raises:
        ConfigError: as ``load``, without the file's name.
    """
    require_version(data)
    config = validate(TrainConfig, data)
    with torch.device("meta"):  # only its stride is of interest
        network = nets.build(config.network.name, config.network.options)
    stride = network.stride
    if config.pairs.size % stride:
        raise ConfigError(
            f"pairs.size: {config.network.name} works on sides that are multiples of {stride}, "
            f"{config.pairs.size} is not"
        )
    hinted = config.task == "colourise" and config.colour.hints != "none"
    if (network.inputs == 6) != hinted:
        raise ConfigError(
            f"network: {config.network.name} takes {network.inputs} channels, but pairs have "
            f"{6 if hinted else 3}; set network.hints and colour.hints alike"
        )
    if config.fit.backbone is not None and not isinstance(getattr(network, "backbone", None), nn.Module):
        raise ConfigError(f"fit.backbone: {config.network.name} has none; leave it out")
    if config.task not in HIDING and config.pairs.of == "regions":
        raise ConfigError(f"pairs.of: nothing is hidden for {config.task}; expected crops or frames")
    windowed = {"ssim", "ms_ssim"} & set(losses.terms(config.fit.loss))
    if windowed and config.pairs.size < similarity.WINDOW:
        raise ConfigError(
            f"pairs.size: expected at least {similarity.WINDOW}, the window of {min(windowed)}, "
            f"found {config.pairs.size}"
        )
    if config.task == "inpaint" and config.blur.method != "solid":
        raise ConfigError(
            f"blur.method: inpaint draws what is hidden without a trace, {config.blur.method} is for deblur; "
            "expected solid"
        )
    if "scale" in config.fit.augment and (config.task in HIDING or config.pairs.of != "crops"):
        raise ConfigError("fit.augment: scale is for crops where nothing is hidden; leave it out")
    if config.task == "anomaly":
        _check_anomaly(config, network)
    _check_folders(config)
    return config


def _check_anomaly(config: TrainConfig, network: nn.Module) -> None:
    """Refuse what leaves nothing to tell what is normal by."""
    if config.pairs.of != "frames":
        raise ConfigError(f"pairs.of: anomaly takes whole pictures; expected frames, found {config.pairs.of}")
    if config.data.subsets is not None:
        raise ConfigError("data.subsets: anomaly draws its own, as anomaly.subsets says; leave it out")
    if network.residual:
        raise ConfigError(
            f"network: {config.network.name} hands its input on, so that nothing is strange to it; "
            "expected autoencoder"
        )


def _check_folders(config: TrainConfig) -> None:
    """Refuse data from two places at once."""
    if config.task == "paired" and config.paired is None:
        raise ConfigError("paired: is missing; expected the folders `{degraded: FOLDER, clean: FOLDER}`")
    if config.paired is None:
        return
    if config.task not in ("paired", "colourise"):
        raise ConfigError(f"paired: {config.task} makes its own pairs; expected task: paired or colourise")
    for key in ("folder", "test_folder", "extra"):
        if getattr(config.data, key):
            raise ConfigError(f"data.{key}: its pictures have no partners; paired has the folders")


def dump(config: TrainConfig) -> dict[str, Any]:
    """Return all keys and values, defaults included, as plain data that ``load`` would read back."""
    return config.model_dump(mode="json")
