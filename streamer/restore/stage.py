"""The restoring stage: each camera's restorers, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from streamer.boxes import disjoint, whole
from streamer.frame import Batch, Discontinuity, Dropped, End, Hidden, Restored
from streamer.night import Night
from streamer.plate import Learner, hints
from streamer.restore.restorer import Restorer
from streamer.restore.steady import Steady
from streamer.restorers import RestoreConfig


@dataclass(frozen=True, slots=True)
class Link:
    """One of a camera's restorers, and when and how it is used."""

    restorer: Restorer
    """Shared by all cameras that use its model."""
    config: RestoreConfig


@dataclass(frozen=True, slots=True, eq=False)
class _Restoring:
    """A hidden frame on its way along its camera's restorers."""

    hidden: Hidden
    picture: torch.Tensor
    """What has been made of it so far."""
    night: bool
    ran: tuple[str, ...] = ()
    """Names of the models that did."""

    @property
    def camera(self) -> str:
        return self.hidden.frame.camera


Chains = Mapping[str, Sequence[Link]]


def stage(batches: Iterable[Batch[Hidden | Dropped]], chains: Chains) -> Iterator[Batch[Restored | Dropped]]:
    """Restore every frame whose camera has restorers; all regions of a batch go through a model together.

    Args:
        batches: hidden frames and markers.
        chains: by camera, in order; none where restoring is off.
    """
    restoring = _begin(batches, chains)
    for depth in range(max((len(chain) for chain in chains.values()), default=0)):
        links = {camera: chain[depth] for camera, chain in chains.items() if len(chain) > depth}
        restoring = _step(restoring, links)
    for batch in restoring:
        yield [_end(item, chains) if isinstance(item, _Restoring) else item for item in batch]


def _begin(
    batches: Iterable[Batch[Hidden | Dropped]], chains: Chains
) -> Iterator[Batch[_Restoring | Dropped]]:
    """Tell night from day where somebody asks."""
    nights = {
        camera: Night()
        for camera, chain in chains.items()
        if any(link.config.when == "night" for link in chain)
    }
    for batch in batches:
        begun: list[_Restoring | Dropped | Discontinuity | End] = []
        for item in batch:
            if isinstance(item, Hidden):
                night = nights.get(item.frame.camera)
                dark = (
                    night is not None and item.failure is None and night.at(item.frame.time_s, item.blurred)
                )
                begun.append(_Restoring(item, item.blurred, dark))
                continue
            if isinstance(item, Discontinuity) and item.camera in nights:
                nights[item.camera].forget()
            begun.append(item)
        yield begun


def _step(
    batches: Iterable[Batch[_Restoring | Dropped]], links: Mapping[str, Link]
) -> Iterator[Batch[_Restoring | Dropped]]:
    """Apply one restorer to the frames of each camera that has one here."""
    plates = {camera: Learner() for camera, link in links.items() if link.restorer.hinted}
    steadies = {camera: Steady(link.config.steady) for camera, link in links.items() if link.config.steady}
    for batch in batches:
        due: dict[Restorer, list[_Restoring]] = {}
        expected: dict[_Restoring, torch.Tensor] = {}
        for item in batch:
            plate = plates.get(item.camera)
            if plate is not None and isinstance(item, Discontinuity):
                plate.interrupt()
            # there is nothing to restore in a frame that is hidden whole
            if not isinstance(item, _Restoring) or item.hidden.failure or item.camera not in links:
                continue
            if plate is not None and plate.due(item.hidden.frame.time_s):
                plate.see(item.hidden.frame.time_s, item.picture, _covered(item.hidden))
            link = links[item.camera]
            if link.config.when == "always" or item.night:
                due.setdefault(link.restorer, []).append(item)
                if plate is not None:
                    expected[item] = hints(item.picture, plate.plate)
        restored = dict(
            pair for restorer, items in due.items() for pair in _restore(restorer, items, expected)
        )
        yield [_steadied(item, restored, links, steadies) for item in batch]


def _restore(
    restorer: Restorer, items: Sequence[_Restoring], expected: Mapping[_Restoring, torch.Tensor]
) -> Iterator[tuple[_Restoring, torch.Tensor]]:
    """Yield each frame with what a restorer makes of it."""
    pictures = restorer.restore(
        [item.picture for item in items],
        [item.hidden.regions for item in items],
        [item.hidden.mask for item in items],
        [expected.get(item) for item in items],
    )
    yield from zip(items, pictures, strict=True)


def _steadied(
    item: _Restoring | Dropped | Discontinuity | End,
    restored: Mapping[_Restoring, torch.Tensor],
    links: Mapping[str, Link],
    steadies: Mapping[str, Steady],
) -> _Restoring | Dropped | Discontinuity | End:
    """Put a frame's restoration in its place; what interrupts the camera ends what was averaged."""
    steady = steadies.get(item.camera)
    if not isinstance(item, _Restoring) or item not in restored:
        if steady is not None:
            steady.forget()
        return item
    picture, restorer = restored[item], links[item.camera].restorer
    if steady is not None:
        height, width = picture.shape[:2]
        within = restorer.mode == "regions"
        areas = disjoint(item.hidden.regions) if within else whole(width, height)
        picture = steady.blend(item.picture, picture, _covered(item.hidden), areas, within=within)
    return replace(item, picture=picture, ran=(*item.ran, restorer.name))


def _covered(hidden: Hidden) -> torch.Tensor:
    """Return what is hidden of a frame; bool ``[H, W]``, on the device."""
    device = hidden.blurred.device
    if hidden.mask is not None:
        return torch.from_numpy(hidden.mask).to(device).bool()
    covered = torch.zeros(hidden.blurred.shape[:2], dtype=torch.bool, device=device)
    for x0, y0, x1, y1 in hidden.regions.tolist():
        covered[y0:y1, x0:x1] = True
    return covered


def _end(item: _Restoring, chains: Chains) -> Restored:
    hidden = item.hidden
    if not chains[item.camera]:
        return Restored(hidden, None)
    picture = item.picture
    if not item.ran:  # the two outputs are not to share their pixels
        picture = picture.clone()
    elif hidden.keep is not None:  # whole frames are restored all over, what is never touched too
        kept = torch.from_numpy(hidden.keep).to(picture.device).bool()[..., None]
        picture = torch.where(kept, hidden.blurred, picture)
    return Restored(hidden, picture, item.ran)
