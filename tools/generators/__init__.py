"""One module for each kind of generated file: `files()` gives paths below the repository and their text."""
