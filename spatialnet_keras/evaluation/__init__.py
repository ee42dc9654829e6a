"""Evaluation: scores beside their floors, what stands behind them, and tables of both."""
