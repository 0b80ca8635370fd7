"""The image workloads: parameters, results and documentation; what computes them lies in `accel.image`."""
