"""Models as records with digests, and the folder in which they lie; nothing here computes with them."""
