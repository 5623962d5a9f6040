"""What writes results: videos, logs and the summary. Each sink is passive; threads of others call it."""

from streamer.sink.directory import check_outputs, clear_outputs
from streamer.sink.log import LogSink
from streamer.sink.summary import write_summary
from streamer.sink.video import VideoSink

__all__ = ["LogSink", "VideoSink", "check_outputs", "clear_outputs", "write_summary"]
