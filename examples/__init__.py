"""Small systems that use Choreo, to run and to read."""
