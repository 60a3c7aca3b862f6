"""Studies: each file says its command, its run time and the figure that it reaches."""
