"""Image formats that libvips lacks or reads badly, one module for each."""
