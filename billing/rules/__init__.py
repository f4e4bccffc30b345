"""What Postgres itself refuses, as SQL for the migrations. Functions run as the owner, so that row-level security
never hides from a rule what it has to look at."""
