"""What a developer of this project runs beside the tests."""
