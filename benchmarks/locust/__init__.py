"""A realistic load on the example application, served in several ways, checked for leaks while it runs."""
