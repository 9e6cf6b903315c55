"""What measures the server: ``python -m benchmarks`` runs it all, README.md says how."""
