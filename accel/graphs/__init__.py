"""Image operations as ONNX graphs: what a GPU runs where that was measured to pay (accel.routing)."""
