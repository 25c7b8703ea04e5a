"""Long runs on real data, one JSON line a run, and the tables made from them."""
