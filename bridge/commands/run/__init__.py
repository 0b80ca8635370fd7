"""`popbridge run`: any workload from the shell, on one file or ten thousand."""
