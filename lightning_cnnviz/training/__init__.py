"""All that knows Lightning: the callbacks, when they look, at what, and what happens when something fails."""
