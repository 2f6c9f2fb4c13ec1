"""What a search left behind, and questions to it."""
