"""All that touches the user's model: isolation, hooks, the one shared pass, and what it tells."""
