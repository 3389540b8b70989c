"""Yahoo: its chart document and tables made from it."""
