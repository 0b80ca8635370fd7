"""What outlives the daemon: SQLite through sqlite-utils."""
