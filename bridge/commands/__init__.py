"""The subcommands of `popbridge`; each imports its modules when it runs."""
