"""What runs a network faster than torch does on a CPU: its ONNX file, ONNX Runtime, OpenVINO, and the choice."""
