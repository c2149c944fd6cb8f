"""From records to a page: tables, profiles, pictures, and the files that other tools read."""
