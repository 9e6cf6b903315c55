"""What tests put in place of the real thing, and real things of the tests' own."""
