"""Audits a whole project with no editor running: finds, judges, reports, mends."""
