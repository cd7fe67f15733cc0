"""What is made of run directories: reads files, never trains."""
