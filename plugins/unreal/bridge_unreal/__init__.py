"""PopBridge for Unreal: its version strings; the adapter comes with its editor plugin."""
