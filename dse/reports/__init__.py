"""Reports: tables, pictures, files."""
