"""Single functions, run in this process on a moto server that has what the template declares."""
