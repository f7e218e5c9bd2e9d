"""The object service through its faces, over a real Valkey and real databases."""
