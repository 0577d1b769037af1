"""The parts of the simulator: a world with time, threads and files of its own, models of servers, scenarios, a judge."""
