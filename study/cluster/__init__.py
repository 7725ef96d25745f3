"""Studies on a cluster: what travels there, the job server, the token, the files that start it."""
