"""The Python front end: builds plans, runs nothing."""
