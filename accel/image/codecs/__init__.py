"""Image formats that libvips lacks or reads badly, one module each."""
