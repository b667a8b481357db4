"""What courses need: simulators, the cost of ignoring groups, power, and the shapes of repeated measures."""
