"""Image operations as ONNX graphs that run on a GPU."""
