"""Scripts of this repository; none of them is installed."""
