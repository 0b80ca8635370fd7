"""First-party advisors."""
