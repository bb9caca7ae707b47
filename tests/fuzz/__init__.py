"""Every reader of what others wrote, against broken input: a value or one of our errors, within bounds."""
