"""`popbridge demo`: shows a popup and its fixes on a project that it makes itself."""
