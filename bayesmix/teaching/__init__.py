"""What courses need: the pooling ladder, simulators, the cost of ignoring groups, power, shapes of repeated measures."""
