"""Reading manifest folders and naming their mistakes."""
