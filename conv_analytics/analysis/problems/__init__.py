"""Distinct problems: every question of the finders asked at once, and what they name said once."""
