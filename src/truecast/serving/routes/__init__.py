"""The routes: parse, call the service once, shape the answer."""
