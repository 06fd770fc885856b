"""Everything on one machine, for laptops and tests: embedded servers and the one command that runs all."""
