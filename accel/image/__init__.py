"""Image workloads: computed by numpy and libvips here, declared in `operations`, which imports neither."""
