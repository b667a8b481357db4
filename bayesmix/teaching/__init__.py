"""What courses need: the pooling ladder, simulators, the cost of ignoring groups, power, repeated measures."""
