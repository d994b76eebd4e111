"""Entities made from the tables: legs, calls, conversations, and their participants."""
