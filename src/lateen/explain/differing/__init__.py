"""Tell what traffic does differently in one mesh than in another."""
