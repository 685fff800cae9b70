"""Cart, tax, pay and ship: four processes that only react to each other's events."""
