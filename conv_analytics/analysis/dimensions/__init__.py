"""Custom dimensions: maps from numbers, prefixes, networks or users to sites, carriers, names or teams."""
