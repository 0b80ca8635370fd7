"""A third-party plugin, as an author would write it; some of its parts are broken on purpose."""
