"""Two models on one labelled set, and one model on new data: numbers, tables and reports."""
