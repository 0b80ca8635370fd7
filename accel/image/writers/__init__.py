"""What writes one file format each."""
