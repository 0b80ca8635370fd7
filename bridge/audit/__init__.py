"""Audits: checks all textures of a project without an editor, reports, and fixes."""
