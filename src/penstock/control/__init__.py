"""How a running pipeline is asked and told: one versioned protocol on a loopback address, behind a token."""
