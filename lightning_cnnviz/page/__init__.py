"""The page in the browser, and what serves it: plain JavaScript, TensorBoard's plugin, the single file."""
