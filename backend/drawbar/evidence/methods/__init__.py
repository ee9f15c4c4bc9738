"""Ways to make a slider of a concept, compared through one harness; the winner is published as a concept slider."""
