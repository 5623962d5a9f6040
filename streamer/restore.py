"""Apply a restorer to hidden pictures, per region or per frame. Nothing here ever sees an original."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias, cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from streamer import modelfile
from streamer.boxes import Boxes, whole
from streamer.config import RestoreConfig
from streamer.frame import Batch, Dropped, Hidden, Restored

Mask: TypeAlias = NDArray[np.uint8]
Opacity: TypeAlias = NDArray[np.float32]

FEATHER = 0.06
"""Over which share of a region's shorter side, inside it, a restoration fades in from the blurred pixels."""

MOST_REGIONS = 64
"""How many regions go through a network at once: bounds memory where a crowd is hidden."""


def surroundings(region: Sequence[int], context: float, width: int, height: int) -> tuple[int, int, int, int]:
    """Grow a region by ``context`` times its width and height on each side, clipped to the frame."""
    x0, y0, x1, y1 = region
    across, down = round(context * (x1 - x0)), round(context * (y1 - y0))
    return max(0, x0 - across), max(0, y0 - down), min(width, x1 + across), min(height, y1 + down)


def cut(blurred: torch.Tensor, regions: Boxes, size: int, context: float) -> torch.Tensor:
    """Cut regions with their surroundings out of a hidden picture and bring them to one size.

    Args:
        blurred: uint8 ``[H, W, 3]``.
        regions: int32 ``[R, 4]``.
        size: side in pixels of the squares that come out; the aspect ratio is not kept.
        context: as in ``surroundings``.

    Returns:
        float32 ``[R, 3, size, size]``, 0 to 1, on the picture's device.
    """
    height, width = blurred.shape[:2]
    around = [surroundings(region, context, width, height) for region in regions.tolist()]
    if not around:
        return torch.zeros((0, 3, size, size), device=blurred.device)
    if blurred.device.type != "cpu":
        return (
            torch.cat([_resize_torch(blurred[y0:y1, x0:x1], size, size) for x0, y0, x1, y1 in around]) / 255
        )
    image = blurred.numpy()
    squares = np.stack([_resize_opencv(image[y0:y1, x0:x1], size, size) for x0, y0, x1, y1 in around])
    # channels stay last in memory, which is also how convolutions on a CPU are fastest
    return torch.from_numpy(squares).permute(0, 3, 1, 2).float().div_(255)


def _resize_opencv(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    shrinks = width * height < image.shape[0] * image.shape[1]
    resized = cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return np.asarray(resized, np.uint8)


def _resize_torch(image: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """Resize uint8 ``[h, w, 3]`` to float32 ``[1, 3, height, width]``, still 0 to 255."""
    planes = image.permute(2, 0, 1)[None].float()
    return F.interpolate(planes, (height, width), mode="bilinear", align_corners=False, antialias=True)


def precision(device: torch.device) -> torch.dtype:
    """Return what convolutions are computed in: 16 bits where the device has them in hardware.

    On a CPU with bfloat16 that halves the time of the bundled network, and moves its output by 0.15 of 255
    levels (RMS), which is less than rounding does.
    """
    if device.type == "cuda":
        return torch.float16
    tell = getattr(torch.cpu, "get_capabilities", None)  # older versions of torch cannot
    capabilities: Mapping[str, object] = tell() if tell else {}
    in_hardware = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if in_hardware else torch.float32


class Restorer:
    """A network ready to restore hidden pictures."""

    def __init__(
        self,
        network: nn.Module,
        header: modelfile.Header,
        device: torch.device,
        mode: Literal["regions", "frame"] = "regions",
    ) -> None:
        """Prepare the network.

        Args:
            network: takes and gives float32 ``[B, 3, H, W]``, 0 to 1, with attributes ``stride`` and
                ``residual`` as ``streamer.nets`` describes.
            header: of its model file.
            device: where it runs, which is where the pictures are.
            mode: whether it is applied to each hidden region or to the whole frame.
        """
        self._network = network.to(device).to(memory_format=torch.channels_last).eval()
        self._header = header
        self._device = device
        self._mode = mode
        self._precision = precision(device)

    def restore(
        self,
        blurred: Sequence[torch.Tensor],
        regions: Sequence[Boxes],
        masks: Sequence[Mask | None] | None = None,
    ) -> list[torch.Tensor]:
        """Restore hidden pictures.

        Args:
            blurred: uint8 ``[H, W, 3]`` each, of any sizes; not changed.
            regions: int32 ``[R, 4]`` for each picture.
            masks: uint8 ``[H, W]`` for each picture, 1 for what is hidden of its regions; None for all.

        Returns:
            uint8 ``[H, W, 3]`` each; in mode ``regions`` pixels outside the regions, or of them outside the
            mask, are those of ``blurred``.
        """
        with torch.inference_mode():
            if self._mode == "frame":
                return [self._whole(picture) for picture in blurred]
            return self._regions(blurred, regions, masks or [None] * len(blurred))

    def _run(self, images: torch.Tensor) -> torch.Tensor:
        """Return by how much the network changes the images; the same shape, float32."""
        images = images.contiguous(memory_format=torch.channels_last)
        given = images
        if self._network.inputs == 6:  # there are no hints
            given = torch.cat([images, torch.zeros_like(images)], dim=1)
        with torch.autocast(self._device.type, self._precision, enabled=self._precision != torch.float32):
            output: torch.Tensor = self._network(given)
        return output.float() - images

    def _regions(
        self, blurred: Sequence[torch.Tensor], regions: Sequence[Boxes], masks: Sequence[Mask | None]
    ) -> list[torch.Tensor]:
        # whole levels of brightness are fine enough, and what OpenCV adds fastest
        corrections = iter([(255 * square).round().short() for square in self._squares(blurred, regions)])
        paste = _paste_opencv if self._device.type == "cpu" else _paste_torch
        results = []
        for picture, boxes, mask in zip(blurred, regions, masks, strict=True):
            restored = picture.clone()
            height, width = picture.shape[:2]
            for region in boxes.tolist():
                around = surroundings(region, self._header.context, width, height)
                paste(picture, restored, region, around, next(corrections), _fade(region, mask))
            results.append(restored)
        return results

    def _squares(self, blurred: Sequence[torch.Tensor], regions: Sequence[Boxes]) -> list[torch.Tensor]:
        """Return the network's corrections of all regions of all pictures; float32 ``[3, h, w]`` each."""
        size, context = self._header.size, self._header.context
        pairs = list(zip(blurred, regions, strict=True))
        if size is None:  # every region at its own resolution
            outputs = []
            for picture, boxes in pairs:
                height, width = picture.shape[:2]
                for region in boxes.tolist():
                    x0, y0, x1, y1 = surroundings(region, context, width, height)
                    outputs.append(self._full(_planes(picture[y0:y1, x0:x1]))[0])
            return outputs
        squares = torch.cat([cut(picture, boxes, size, context) for picture, boxes in pairs])
        if len(squares) == 0:
            return []
        return [square for part in torch.split(squares, MOST_REGIONS) for square in self._run(part)]

    def _full(self, images: torch.Tensor) -> torch.Tensor:
        """Run a fully convolutional network on pictures of any size, padded to its stride."""
        height, width = images.shape[2:]
        stride = cast(int, self._network.stride)
        padded = F.pad(images, (0, -width % stride, 0, -height % stride), mode="replicate")
        return self._run(padded)[:, :, :height, :width]

    def _whole(self, picture: torch.Tensor) -> torch.Tensor:
        height, width = picture.shape[:2]
        images = _planes(picture)
        if (size := self._header.size) is None:
            output = images + self._full(images)
        else:  # the network's square, stretched back over the frame
            square = cut(picture, whole(width, height), size, 0.0)
            correction = self._run(square)
            # what adds a correction keeps the frame's own sharpness; what draws anew has only its square
            drawn = correction if self._network.residual else square + correction
            output = F.interpolate(drawn, (height, width), mode="bilinear", align_corners=False)
            if self._network.residual:
                output = output + images
        result = (output[0] * 255.0).round().clamp(0, 255).to(torch.uint8)
        return result.permute(1, 2, 0).contiguous()


def _paste_opencv(
    blurred: torch.Tensor,
    restored: torch.Tensor,
    region: Sequence[int],
    around: Sequence[int],
    correction: torch.Tensor,
    alpha: Opacity,
) -> None:
    """Correct one region and fade the result in from its edges; outside nothing changes.

    Args:
        blurred: uint8 ``[H, W, 3]``, what is corrected.
        restored: the same shape, what is pasted into; where regions overlap it was already.
        region: x0, y0, x1, y1.
        around: the region with its surroundings, which is what the correction covers.
        correction: int16 ``[3, h, w]``, of any resolution.
        alpha: float32, of the region's size: how much of the correction is seen.
    """
    x0, y0, x1, y1 = region
    left, top, right, bottom = around
    square = np.ascontiguousarray(correction.permute(1, 2, 0).numpy())
    grown = cv2.resize(square, (right - left, bottom - top))[y0 - top : y1 - top, x0 - left : x1 - left]
    target = cv2.add(blurred.numpy()[y0:y1, x0:x1], grown, dtype=cv2.CV_8U)
    below = restored.numpy()[y0:y1, x0:x1]
    below[:] = cv2.blendLinear(target, np.ascontiguousarray(below), alpha, 1 - alpha)


def _paste_torch(
    blurred: torch.Tensor,
    restored: torch.Tensor,
    region: Sequence[int],
    around: Sequence[int],
    correction: torch.Tensor,
    alpha: Opacity,
) -> None:
    """Do the same as ``_paste_opencv``, on any device."""
    x0, y0, x1, y1 = region
    left, top, right, bottom = around
    grown = F.interpolate(
        correction[None].float(), (bottom - top, right - left), mode="bilinear", align_corners=False
    )[0, :, y0 - top : y1 - top, x0 - left : x1 - left].permute(1, 2, 0)
    target = (blurred[y0:y1, x0:x1].float() + grown).clamp(0, 255)
    weight = torch.from_numpy(alpha).to(blurred.device)[..., None]
    mixed = torch.lerp(restored[y0:y1, x0:x1].float(), target, weight)
    restored[y0:y1, x0:x1] = mixed.round().clamp(0, 255).to(torch.uint8)


def _planes(picture: torch.Tensor) -> torch.Tensor:
    """Turn uint8 ``[H, W, 3]`` into float32 ``[1, 3, H, W]``, 0 to 1."""
    return picture.permute(2, 0, 1)[None].float().div(255)


def _fade(region: Sequence[int], mask: Mask | None) -> Opacity:
    """Opacity of a restoration in its region: 0 off the mask, 1 on it but for a ramp along its edges."""
    x0, y0, x1, y1 = region
    soft = round(FEATHER * min(x1 - x0, y1 - y0))
    across, down = (
        np.minimum(1.0, (1 + np.minimum(np.arange(n), np.arange(n)[::-1])) / (soft + 1)).astype(np.float32)
        for n in (x1 - x0, y1 - y0)
    )
    alpha = np.minimum(down[:, None], across[None, :])
    if mask is None or mask[y0:y1, x0:x1].all():
        return alpha
    distance = cv2.distanceTransform(mask[y0:y1, x0:x1], cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(np.minimum(alpha, distance / (soft + 1)), np.float32)


def load(config: RestoreConfig, device: torch.device) -> Restorer:
    """Load the model file that a configuration names.

    Raises:
        ModelError: there is none, or it is not one of ours.
    """
    network, header = modelfile.load(modelfile.locate(config.model))
    return Restorer(network, header, device, config.mode)


def stage(
    batches: Iterable[Batch[Hidden | Dropped]], restorers: Mapping[str, Restorer | None]
) -> Iterator[Batch[Restored | Dropped]]:
    """Restore every frame whose camera has a restorer; all regions of a batch go through it together.

    Args:
        batches: hidden frames and markers.
        restorers: by camera; None where restoring is off.
    """
    for batch in batches:
        by_restorer: dict[Restorer, list[Hidden]] = {}
        for item in batch:
            # there is nothing to restore in a frame that is hidden whole
            if (
                isinstance(item, Hidden)
                and item.failure is None
                and (restorer := restorers[item.frame.camera])
            ):
                by_restorer.setdefault(restorer, []).append(item)
        restored: dict[Hidden, torch.Tensor] = {}
        for restorer, items in by_restorer.items():
            pictures = restorer.restore(
                [item.blurred for item in items],
                [item.regions for item in items],
                [item.mask for item in items],
            )
            for item, picture in zip(items, pictures, strict=True):
                restored[item] = _with_kept(item.keep, item.blurred, picture)
        yield [_restored(item, restored, restorers) if isinstance(item, Hidden) else item for item in batch]


def _with_kept(keep: Mask | None, blurred: torch.Tensor, restored: torch.Tensor) -> torch.Tensor:
    """Take what is never touched from the hidden picture: whole frames are restored all over."""
    if keep is None:
        return restored
    kept = torch.from_numpy(keep).to(blurred.device).bool()[..., None]
    return torch.where(kept, blurred, restored)


def _restored(
    item: Hidden, restored: Mapping[Hidden, torch.Tensor], restorers: Mapping[str, Restorer | None]
) -> Restored:
    if restorers[item.frame.camera] is None:
        return Restored(item, None)
    return Restored(item, restored[item] if item in restored else item.blurred.clone())
