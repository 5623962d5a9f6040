"""Resident memory over 20,000 frames: it must be flat after warm-up.

    python -m benchmarks.memory CLIP [--frames 20000] [--every 1000]

The clip is played over and over as one camera through the whole pipeline, both outputs encoded.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import psutil

from benchmarks.script import start
from streamer.config import parse
from streamer.pipeline import Run


def main() -> None:
    """Run and print a line every so many frames."""
    parser = argparse.ArgumentParser(description="Watch resident memory over many frames.")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--every", type=int, default=1_000)
    parser.add_argument("--model", default="bundled", help="detect.model")
    given = parser.parse_args()
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as name:
        loop = Path(name) / "loop"
        loop.mkdir()
        for number in range(given.frames):  # more than enough: a clip has at least one frame
            (loop / f"{number:06d}{given.clip.suffix}").symlink_to(given.clip.resolve())
        settings = {
            "version": 1,
            "device": "cpu",
            "detect": {"model": given.model},
            "output": {"directory": name},
        }
        print("frames  resident MiB  threads  open files")
        with Run(parse(settings, sources={"bench": str(loop)})) as run:
            for count, _ in enumerate(run, start=1):
                if count % given.every == 0:
                    resident = process.memory_info().rss / 2**20
                    threads, files = process.num_threads(), process.num_fds()
                    print(f"{count:6d}  {resident:12.1f}  {threads:7d}  {files:10d}", flush=True)
                if count >= given.frames:
                    break


if __name__ == "__main__":
    start(main)
