"""`popbridge demo`: creates a project, shows a popup and applies its fixes."""
