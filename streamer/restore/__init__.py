"""Restored pictures, computed from hidden ones alone."""

from streamer.restore.restorer import Restorer, load
from streamer.restore.squares import cut, surroundings

__all__ = ["Restorer", "cut", "load", "surroundings"]
