"""Ways to steer -> which of them does more at the same cost."""
