"""Everything for eyes: tables, pictures, files."""
