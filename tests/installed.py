"""Packages of extras, which some tests need."""

import pytest

from streamer.engine.choice import installed

# asked for without importing it, which would send a message to its makers
needs_openvino = pytest.mark.skipif(not installed("openvino"), reason="needs openvino, an extra")

ENGINES = ["onnxruntime", pytest.param("openvino", marks=needs_openvino)]
"""Those beside torch."""
