"""What fits can be asked, by subject; each method only hands its question to functions on arrays."""
