"""Land slices of the Million Playlist Dataset in PostgreSQL, and make synthetic ones."""
