"""Networks in the integers that are deployed: their description, and the compiled engines that run them."""
