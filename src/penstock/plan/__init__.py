"""What to compute, never how: nodes, pipelines, their explanation and their stored form."""
