"""Networks in the integers that are deployed: what they are, and the compiled engines that run them."""
