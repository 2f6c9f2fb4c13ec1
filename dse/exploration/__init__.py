"""A search: settings in, study out."""
