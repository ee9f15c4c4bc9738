"""Ways to steer, to choose a direction and to stack several -> which does more at the same cost."""
