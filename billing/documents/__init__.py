"""What leaves the portal about an issued statement: PDF, CSV, and a bundle with which anybody can recompute it."""
