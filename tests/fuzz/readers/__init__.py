"""What is read, by who wrote it."""
