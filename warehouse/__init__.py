"""The database that everything rests on: where it is, how to reach it, and the tables that Python writes."""
