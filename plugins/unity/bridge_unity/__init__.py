"""PopBridge for Unity: its version strings; the adapter comes with its editor package."""
