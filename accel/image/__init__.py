"""Workloads on images, by libvips and numpy; what declares them imports neither."""
