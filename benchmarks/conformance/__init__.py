"""Does a problem, a method or a back-end keep its contract? `placewise.testing` offers the checks to other packages."""
