"""A real RTSP camera for tests: GStreamer's own server, run by Debian's python3 as a subprocess."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
from pathlib import Path
from types import TracebackType

import pytest

SYSTEM_PYTHON = Path("/usr/bin/python3")
SCRIPT = Path(__file__).with_name("rtsp_server.py")
CHECK = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@functools.cache
def is_available() -> bool:
    """Whether this machine has gst-rtsp-server with its Python bindings."""
    if not SYSTEM_PYTHON.exists():
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", CHECK], capture_output=True, check=False).returncode == 0


def require() -> None:
    """Skip the test where there is no server, or fail it where all that tests need is required."""
    if is_available():
        return
    reason = "needs Debian's python3-gi and gir1.2-gst-rtsp-server-1.0"
    if os.environ.get("STREAMER_REQUIRE_SHARED") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Camera:
    """An RTSP camera on 127.0.0.1; leaving the context ends it.

    It shows SMPTE bars (or another ``pattern`` of videotestsrc) as H.264 in real time. It may be started
    late, killed, started again on the same port with other ``settings``, and silenced.
    """

    def __init__(self, *, password: str = "", **settings: str | int) -> None:
        """Choose a free port; nothing runs yet.

        Args:
            password: what the user ``viewer`` must give; empty lets everybody in.
            settings: ``width``, ``height``, ``fps``, ``keyframes``, ``pattern``, and ``audio`` (``none``,
                ``alaw`` or ``aac``), as ``tests/rtsp_server.py`` takes them.
        """
        require()
        self.port = free_port()
        self.password = password
        self.settings = settings
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it is, credentials included."""
        user = f"viewer:{self.password}@" if self.password else ""
        return f"rtsp://{user}127.0.0.1:{self.port}/stream"

    def start(self, **settings: str | int) -> Camera:
        """Start, with ``settings`` changed, and wait until it listens."""
        self.settings = {**self.settings, **settings}
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        command = [
            str(SYSTEM_PYTHON),
            str(SCRIPT),
            f"--port={self.port}",
            f"--password={self.password}",
            *options,
        ]
        # GStreamer's registry and python3 of the system must not see the virtual environment
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._expect("ready")
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def silence(self, kind: str = "") -> None:
        """Send no more ``video``, ``audio`` or either; sessions stay open."""
        self._tell(f"silence {kind}".strip())

    def resume(self, kind: str = "") -> None:
        """Send again."""
        self._tell(f"resume {kind}".strip())

    def _tell(self, command: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        self._expect("done")

    def _expect(self, answer: str) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line == answer, f"the RTSP server said {line!r}, expected {answer!r}"

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
