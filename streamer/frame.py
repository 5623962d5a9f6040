"""The values that travel: frames and markers, then what each stage makes of a frame.

A frame becomes ``Frame`` (source) → ``Detected`` (detect) → ``Hidden`` (hide) → ``Restored`` (restore) →
``Result`` (measure). Each type holds what the next stage may see; a ``Result``, which is all that a sink
ever gets, has no field for the original picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Self, TypeAlias, TypeVar

import numpy as np
import torch
from av.audio.stream import AudioStream
from av.packet import Packet
from numpy.typing import NDArray

from streamer.event import Event
from streamer.watch.memory import Memory

Image: TypeAlias = NDArray[np.uint8]
"""uint8 ``[H, W, 3]``, RGB, full range, C-contiguous."""

AudioPacket: TypeAlias = "Packet[AudioStream]"


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """An audio stream, described well enough to copy or decode its packets without its container."""

    codec: str
    """FFmpeg's codec name, such as ``aac`` or ``pcm_alaw``."""
    sample_rate: int
    """Samples per second."""
    layout: str
    """Channel layout, such as ``mono`` or ``stereo``."""
    time_base: Fraction
    """Seconds per unit of the packets' pts, dts and duration."""
    extradata: bytes = b""
    """The codec's out-of-band header; empty where it has none."""
    frame_size: int = 0
    """Samples per packet and channel; 0 where it varies or is unknown."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What a source knows of the frames that follow; one object for as long as it stays true."""

    width: int
    """Pixels, after rotation."""
    height: int
    """Pixels, after rotation."""
    rate: Fraction | None = None
    """Average frames per second as declared; a hint only, time is in each frame's pts."""
    matrix: str = "bt709"
    """The YCbCr matrix of the source, ``bt601`` or ``bt709``: encoders use the same one."""
    audio: AudioTrack | None = None
    """The audio that rides along in ``Frame.audio``; None where there is none."""
    frames: int | None = None
    """How many frames will come in all, for an ETA; None where nobody knows."""
    live: bool = False
    """Whether the source runs in real time, whatever we do."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a stream of {self.width}x{self.height} pixels")
        if self.matrix not in ("bt601", "bt709"):
            raise ValueError(f"unknown YCbCr matrix {self.matrix!r}")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture, upright, with its time and the audio that came before it."""

    camera: str
    """Name of the camera, the key in the configuration."""
    index: int
    """Running number of the decoded frame in its source, from 0; drops leave gaps."""
    image: Image
    """uint8 ``[H, W, 3]``, RGB, full range."""
    pts: int
    """Presentation time in ``time_base`` units: a file's own, a live camera's from 0; strictly increasing."""
    time_base: Fraction
    """Seconds per unit of ``pts``."""
    read_at: float
    """When it was decoded, in seconds of ``time.monotonic()``."""
    stream: Stream
    """What holds for all frames around this one."""
    duration: int = 0
    """How long it is shown, in units of ``time_base``; 0 where unknown."""
    audio: tuple[AudioPacket, ...] = ()
    """Audio packets demuxed since the previous frame, with timestamps on the same timeline."""

    def __post_init__(self) -> None:
        height, width = self.stream.height, self.stream.width
        if self.image.dtype != np.uint8 or self.image.shape != (height, width, 3):
            raise ValueError(
                f"frame {self.index} of {self.camera}: image is {self.image.dtype} {self.image.shape}, "
                f"expected uint8 {(height, width, 3)}"
            )

    @property
    def time_s(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True, eq=False)
class End:
    """The camera has no more frames."""

    camera: str
    audio: tuple[AudioPacket, ...] = ()
    """Audio packets that came after the last frame."""
    memory: Memory | None = None
    """What its watchers know in the end, for the next run; None where nothing is to be kept."""


@dataclass(frozen=True, slots=True)
class Discontinuity:
    """What follows on this camera does not continue what came: a scene cut, a reconnect, the next file."""

    camera: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """In the place of a frame that does not leave, since it could not be hidden; nothing of it is in here."""

    camera: str
    cause: str
    audio: tuple[AudioPacket, ...] = ()
    """Its audio packets, which go on with the frame that follows."""


Marker: TypeAlias = End | Discontinuity
T = TypeVar("T")
Batch: TypeAlias = Sequence[T | Marker]
"""Items of any cameras and sizes, in each camera's order; empty when a tick passed and nothing came."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Objects in one frame: those that were seen there, and those that tracks say are there."""

    boxes: NDArray[np.float32]
    """float32 ``[N, 4]``: x0 ≤ x1, y0 ≤ y1 in source pixels; may reach off the frame."""
    scores: NDArray[np.float32]
    """float32 ``[N]``, 0 to 1."""
    labels: tuple[str, ...]
    """N class names: COCO's, or ``face``."""
    tracks: NDArray[np.int64] | None = None
    """int64 ``[N]``: identity over time; None without tracking."""
    carried: NDArray[np.bool_] | None = None
    """bool ``[N]``: not seen here, said by a track; None where all were seen."""
    looked: bool = True
    """False where no detector has looked, so that seeing nothing means nothing."""

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.boxes.dtype != np.float32 or self.scores.dtype != np.float32:
            raise ValueError(
                f"boxes of {self.boxes.dtype} and scores of {self.scores.dtype}, expected float32"
            )
        if self.boxes.shape != (n, 4) or self.scores.shape != (n,):
            raise ValueError(f"{n} labels with boxes {self.boxes.shape} and scores {self.scores.shape}")
        if not (np.isfinite(self.boxes).all() and np.isfinite(self.scores).all()):
            raise ValueError("a detector returned a box or a score that is not a number")
        if (self.boxes[:, 2:] < self.boxes[:, :2]).any():
            raise ValueError("a detector returned a box whose end lies before its start")
        if self.tracks is not None and self.tracks.shape != (n,):
            raise ValueError(f"{n} labels with tracks {self.tracks.shape}")
        if self.carried is not None and self.carried.shape != (n,):
            raise ValueError(f"{n} labels with carried {self.carried.shape}")

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def none(cls, *, looked: bool = True) -> Detections:
        """No object at all."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), (), looked=looked)

    @classmethod
    def join(cls, parts: Sequence[Detections]) -> Self:
        """Put the objects of one part after those of the other; there must be one part at least."""
        tracks = carried = None
        if any(part.tracks is not None for part in parts):
            tracks = np.concatenate(
                [np.full(len(part), -1, np.int64) if part.tracks is None else part.tracks for part in parts]
            )
        if any(part.carried is not None for part in parts):
            carried = np.concatenate(
                [np.zeros(len(part), np.bool_) if part.carried is None else part.carried for part in parts]
            )
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            tuple(label for part in parts for label in part.labels),
            tracks,
            carried,
            all(part.looked for part in parts),
        )

    def keep(self, chosen: NDArray[np.bool_]) -> Detections:
        """Those where ``chosen``, bool ``[N]``, is true."""
        return self.take(np.flatnonzero(chosen))

    def take(self, places: NDArray[np.intp]) -> Detections:
        """Those at ``places``, integers ``[M]``, in that order."""
        labels = tuple(self.labels[place] for place in places)
        tracks = None if self.tracks is None else self.tracks[places]
        carried = None if self.carried is None else self.carried[places]
        return Detections(self.boxes[places], self.scores[places], labels, tracks, carried, self.looked)

    def count(self, threshold: float | NDArray[np.float32]) -> NDArray[np.bool_]:
        """Say which count as objects: seen, and with that score at least (of each, or one for all)."""
        counts = self.scores >= threshold
        return counts if self.carried is None else counts & ~self.carried

    def and_carried(self, carried: Detections) -> Detections:
        """These, which were seen, and those that tracks say of the same frame."""
        if len(carried) == 0:
            return self
        said = replace(carried, carried=np.ones(len(carried), np.bool_), looked=self.looked)
        return Detections.join([self, said])


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """What detection alone says of a frame, before tracks and zones: what it takes to render it again."""

    found: Detections
    """All objects from the faintest on that the detector was asked for, best score first."""
    begins: bool = False
    """Whether the frame does not continue the one before it: a scene cut, a reconnect, the next file."""


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """A frame and what was found in it."""

    frame: Frame
    image: torch.Tensor
    """The frame's picture on the device: uint8 ``[H, W, 3]``, RGB."""
    detections: Detections
    failure: str | None = None
    """Why nothing can be trusted here and the whole frame must be hidden; None when detection succeeded."""
    sighting: Sighting | None = None
    """For the log; None where nobody has noted it."""


@dataclass(frozen=True, slots=True, eq=False)
class Hidden:
    """A frame and its hidden form."""

    frame: Frame
    image: torch.Tensor
    """The original, still needed to measure against: uint8 ``[H, W, 3]``."""
    detections: Detections
    blurred: torch.Tensor
    """The hidden form: uint8 ``[H, W, 3]`` on the device."""
    regions: NDArray[np.int32]
    """int32 ``[R, 4]``: boxes that bound what is hidden, clipped to the frame."""
    failure: str | None = None
    """Why the whole frame was hidden; None in the ordinary case."""
    mask: NDArray[np.uint8] | None = None
    """uint8 ``[H, W]``, on the host: 1 where nothing of the original shows; None: in all regions."""
    keep: NDArray[np.uint8] | None = None
    """uint8 ``[H, W]``, on the host: 1 where no output may change anything; None where there is no such."""
    sighting: Sighting | None = None
    """For the log."""
    events: tuple[Event, ...] = ()
    """What starts and ends with this frame."""
    memory: Memory | None = None
    """What its watchers know now, for the next run; mostly None."""


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """A hidden frame and its restoration."""

    hidden: Hidden
    restored: torch.Tensor | None
    """Computed from ``hidden.blurred`` alone: uint8 ``[H, W, 3]`` on the device; None when switched off."""
    restorers: tuple[str, ...] = ()
    """Names of the models that ran, in order."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """PSNR in dB against the original, over uint8 RGB; inf where nothing differs, None where undefined."""

    psnr_blurred: float
    psnr_restored: float | None
    psnr_blurred_roi: float | None
    psnr_restored_roi: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """All that leaves the shared stages for one frame. There is no field for the original picture."""

    camera: str
    index: int
    pts: int
    time_base: Fraction
    duration: int
    read_at: float
    stream: Stream
    blurred: Image
    restored: Image | None
    detections: Detections
    regions: NDArray[np.int32]
    """int32 ``[R, 4]``: boxes that bound what is hidden, in pixels."""
    metrics: Metrics
    failure: str | None = None
    """Why the whole frame was hidden; None in the ordinary case."""
    audio: tuple[AudioPacket, ...] = field(default=())
    sighting: Sighting | None = None
    """For the log."""
    restorers: tuple[str, ...] = ()
    """Names of the models that made ``restored``, in order."""
    events: tuple[Event, ...] = ()
    """What starts and ends with this frame; mostly nothing."""
    memory: Memory | None = None
    """What its watchers know now, for the next run; mostly None."""

    @property
    def time_s(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)
