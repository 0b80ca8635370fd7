"""What a texture is for: from its pixels, its name and what surrounds it."""
