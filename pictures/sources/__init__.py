"""Sources of pictures besides a folder: archives, Parquet files, and tables of labels."""
