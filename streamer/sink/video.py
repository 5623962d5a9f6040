"""One MP4, written so that whatever stops it leaves a file that plays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from streamer.config import OutputConfig
from streamer.errors import SinkError
from streamer.frame import AudioPacket, Image, Result
from streamer.sink.file import OutputFile
from streamer.sink.movie import Movie


class VideoSink:
    """Writes one camera's pictures as H.264 into an MP4, with the source's size and time, and audio if asked.

    A kill leaves all but the last second. For one thread at a time.
    """

    def __init__(self, path: Path, config: OutputConfig, *, audio: bool) -> None:
        """Prepare; the file is created with the first picture.

        Args:
            path: the file, in a folder that is there.
            config: preset and quality.
            audio: whether the source's audio goes in.
        """
        self.path = path
        self._config = config
        self._wants_audio = audio
        self._movie: Movie | None = None

    def write(self, picture: Image, result: Result) -> None:
        """Add a picture and the audio that came with it.

        Args:
            picture: uint8 ``[H, W, 3]``, RGB; fitted into the first picture's size where it has another one.
            result: gives its time, the stream and the audio.

        Raises:
            SinkError: the file cannot be written; what is whole stays and plays.
        """
        with self._one_line():
            if self._movie is None:
                self._movie = self._begin(result)
            self._movie.write(picture, result)

    def close(self, audio: tuple[AudioPacket, ...] = ()) -> None:
        """Finish the file; no file is left where nothing was written. Further calls do nothing.

        Args:
            audio: packets that came after the last picture.

        Raises:
            SinkError: the file cannot be finished, and no ``write`` has said so; what is whole stays.
        """
        movie, self._movie = self._movie, None
        if movie is not None:
            with self._one_line():
                movie.close(audio)

    def _begin(self, first: Result) -> Movie:
        file = OutputFile(self.path)
        try:
            return Movie(file, self._config, first, self._wants_audio)
        except BaseException:
            file.close()
            self.path.unlink()
            raise

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            reason = error.strerror or str(error)
            raise SinkError(f"{self.path}: cannot be written: {reason}") from error
