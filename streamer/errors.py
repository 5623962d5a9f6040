"""What can go wrong, as types.

Each message is one line that says what, where and what to do. Only the command line turns them into
an exit code. Each also inherits from the builtin that it means, so that callers may catch either.
"""

from streamer.address import mask


class StreamerError(Exception):
    """Base of all errors that a user is told about in one line."""


class ConfigError(StreamerError, ValueError):
    """The configuration or the usage is wrong; nothing was started."""


class DeviceError(ConfigError):
    """A device was asked for that is not there."""


class ModelError(ConfigError):
    """A model file is missing, of the wrong kind, truncated, or carries code."""


class SourceError(StreamerError, OSError):
    """A camera or a file cannot be read (any further)."""


class SinkError(StreamerError, OSError):
    """An output cannot be written (any further)."""


class HungError(StreamerError, TimeoutError):
    """A call did not return in time and was left behind."""


class StageError(StreamerError, RuntimeError):
    """A stage that all cameras share failed, which ends the run."""

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(f"{stage}: {one_line(cause)}")
        self.stage = stage


def one_line(error: BaseException) -> str:
    """Return an error as one line without credentials; of what is not ours the type comes first."""
    text = " ".join(mask(str(error)).split())
    return text if isinstance(error, StreamerError) else f"{type(error).__name__}: {text}"
