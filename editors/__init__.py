"""What turns nodes and graphs into the forms of other systems."""
