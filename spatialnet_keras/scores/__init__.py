"""Scores: plain numbers from answers and truths. numpy only, the same on every backend."""
