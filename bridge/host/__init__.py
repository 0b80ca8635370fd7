"""Finds, checks and runs plugins."""
