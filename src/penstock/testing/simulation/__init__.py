"""The parts of the simulator: a world with time, threads and files, models of servers, scenarios, a judge."""
