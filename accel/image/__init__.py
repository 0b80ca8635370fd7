"""Image workloads on libvips and numpy."""
