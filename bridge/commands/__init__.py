"""The subcommands of `popbridge`; each imports what it needs when it runs."""
