"""What a view hands over, and the ways to where people see it."""
