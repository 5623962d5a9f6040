"""A trained network, ready to be measured."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from streamer.boxes import Boxes
from streamer.modelfile import Header
from streamer.nets import Network
from streamer.restore import Restorer
from trainer.config import HIDING

Mode = Literal["regions", "frame"]


class System:
    """What restores: a row of the tables."""

    def __init__(self, name: str, network: Network, header: Header, device: torch.device) -> None:
        """Prepare.

        Args:
            name: of the row.
            network: as ``modelfile.load`` returns it.
            header: of its file; it is applied as it was trained.
            device: where it runs; pictures go there and come back.
        """
        self.name = name
        self.header = header
        self.network = network
        self.mode = mode_of(header)
        self._device = device
        self._restorer = Restorer(network, header, device, self.mode)

    @property
    def engine(self) -> str:
        """What runs it."""
        return self._restorer.engine.name

    def restore(
        self,
        blurred: Tensor,
        regions: Boxes,
        mask: NDArray[np.uint8] | None = None,
        hint: Tensor | None = None,
    ) -> Tensor:
        """Restore a picture as streamer would.

        Args:
            blurred: uint8 ``[H, W, 3]``.
            regions: int32 ``[R, 4]``: what is hidden.
            mask: uint8 ``[H, W]``: 1 for what is hidden of them; None for all.
            hint: float32 ``[3, H, W]`` of its colours, which networks that take none do without.

        Returns:
            uint8 ``[H, W, 3]``, on the CPU.
        """
        given = [hint.to(self._device)] if hint is not None and self._restorer.hinted else None
        return self._restorer.restore([blurred.to(self._device)], [regions], [mask], given)[0].cpu()

    def restore_floats(self, degraded: Tensor) -> Tensor:
        """Restore a whole picture with nothing rounded on the way.

        Args:
            degraded: float32 ``[3, H, W]``, which may go beyond 0 to 1.

        Returns:
            float32 ``[3, H, W]``, clipped to 0 to 1.
        """
        height, width = degraded.shape[1:]
        images = degraded[None].to(self._device)
        size = self.header.size if self.mode == "frame" else None
        with torch.inference_mode():
            if size is None:
                stride = self.network.stride
                padded = F.pad(images, (0, -width % stride, 0, -height % stride), mode="replicate")
                output = self.network(padded)[:, :, :height, :width]
            else:
                square = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
                drawn = self.network(square)
                if self.network.residual:
                    drawn = drawn - square
                output = F.interpolate(drawn, (height, width), mode="bilinear")
                if self.network.residual:
                    output = output + images
        return cast(Tensor, output[0].clamp(0.0, 1.0).cpu())

    def restore_square(self, square: Tensor) -> Tensor:
        """Run the network on float32 ``[1, 3, S, S]`` of the size that it was trained on."""
        with torch.inference_mode():
            return cast(Tensor, self.network(square.to(self._device)).cpu())


def mode_of(header: Header) -> Mode:
    """Return how a model is to be applied: as it was trained."""
    pairs = header.training.get("config", {}).get("pairs", {})
    return "frame" if pairs.get("of") == "frames" or header.task not in HIDING else "regions"
