"""PopBridge for Godot: adapters, editor support and the addons."""
