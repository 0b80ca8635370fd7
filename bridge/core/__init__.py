"""The pure core: no asyncio, sockets, database, plugin manager, clock or engine names."""
