"""PopBridge for Unreal: adapters, and the editor plugin in Python."""
