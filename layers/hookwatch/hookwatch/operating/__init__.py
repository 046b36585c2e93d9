"""What an operator does to a deployment, from a checkout: `python -m hookwatch.operating`."""
