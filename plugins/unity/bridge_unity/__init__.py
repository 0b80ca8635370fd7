"""PopBridge for Unity: its version strings and the import settings of its textures."""
