"""What the workers of an address share: objects, claims, books, and who is there."""
