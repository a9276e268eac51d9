"""What operators ask and order: the admin API and the health endpoints."""
