"""Image workloads, computed with numpy and libvips. The declarations in `operations` import neither."""
