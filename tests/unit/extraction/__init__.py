"""What extraction chooses and how it plans it."""
