"""To be filled: mariadb."""
