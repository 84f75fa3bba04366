"""What a node is: its signature, its widgets, the values on its wires."""
