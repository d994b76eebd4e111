"""What the tables are made into: legs, calls, conversations, and who took part in them."""
