"""Readers of the formats that libvips doesn't read; each checks a header before it touches a pixel."""
