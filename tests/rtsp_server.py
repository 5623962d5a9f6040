"""A small RTSP camera on 127.0.0.1, for Debian's own python3, which alone has GStreamer's bindings.

Run as a subprocess by ``tests/rtsp.py``. Prints ``ready`` when it listens; obeys ``silence`` and ``resume``,
one a line, on its standard input, and ends when that is closed.
"""

import argparse
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

VIDEO = (
    "videotestsrc is-live=true pattern={pattern} ! video/x-raw,format=I420,width={width},height={height},"
    "framerate={fps}/1 ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=4000 "
    "key-int-max={keyframes} ! video/x-h264,profile=constrained-baseline "
    "! rtph264pay name=pay0 pt=96 config-interval=1"
)
AUDIO = {
    "none": "",
    "alaw": "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc "
    "! rtppcmapay name=pay1 pt=8",
    "aac": "audiotestsrc is-live=true ! audio/x-raw,rate=16000,channels=1 ! avenc_aac ! aacparse "
    "! rtpmp4gpay name=pay1 pt=97",
}


class Camera:
    """One stream at ``/stream``, whose packets can be held back while the sessions stay open."""

    def __init__(self, options):
        self.silent = {"video": False, "audio": False}
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address("127.0.0.1")
        self.server.set_service(str(options.port))
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {VIDEO.format(**vars(options))} {AUDIO[options.audio]} )")
        factory.set_shared(True)
        factory.connect("media-configure", self.watch)
        if options.password:
            self.protect(factory, options.password)
        self.server.get_mount_points().add_factory("/stream", factory)
        if self.server.attach(None) == 0:
            sys.exit(f"cannot listen on port {options.port}")

    def protect(self, factory, password):
        """Let only ``viewer`` with ``password`` in."""
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("viewer", password), token)
        self.server.set_auth(auth)
        role = Gst.Structure.new_from_string(
            "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
        )
        factory.add_role_from_structure(role)

    def watch(self, factory, media):
        """Put a gate behind each payloader."""
        for name, kind in (("pay0", "video"), ("pay1", "audio")):
            payloader = media.get_element().get_by_name(name)
            if payloader is not None:
                mask = Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST
                payloader.get_static_pad("src").add_probe(mask, self.gate, kind)

    def gate(self, pad, info, kind):
        """Drop what is to be held back."""
        return Gst.PadProbeReturn.DROP if self.silent[kind] else Gst.PadProbeReturn.OK

    def obey(self, loop):
        """Follow the commands of the test until it closes the pipe."""
        for line in sys.stdin:
            command, _, kind = line.strip().partition(" ")
            for each in [kind] if kind else list(self.silent):
                self.silent[each] = command == "silence"
            say("done")
        loop.quit()


def say(word):
    """Tell the test."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--height", type=int, default=48)
    parser.add_argument("--fps", type=int, default=10)
    parser.add_argument("--keyframes", type=int, default=10)
    parser.add_argument("--pattern", default="smpte")
    parser.add_argument("--audio", choices=sorted(AUDIO), default="none")
    parser.add_argument("--password", default="")
    options = parser.parse_args()
    Gst.init(None)
    loop = GLib.MainLoop()
    camera = Camera(options)
    threading.Thread(target=camera.obey, args=(loop,), daemon=True).start()
    say("ready")
    loop.run()


if __name__ == "__main__":
    main()
