"""The pure core: no asyncio, socket, database, plugin manager, clock or engine's name."""
