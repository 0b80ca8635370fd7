"""Who may connect, what they may do, and how connections are protected."""
