"""The XFRA portal's project package. Importing it must not need Django: the local stack starts before that exists."""
