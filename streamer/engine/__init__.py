"""What runs networks faster than torch does on a CPU: ONNX files, ONNX Runtime, OpenVINO, the choice."""
