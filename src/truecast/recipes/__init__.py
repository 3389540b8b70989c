"""The recipes that come with Truecast: one YAML file each."""
