"""Prediction: a trained run used on images of your own, and where it looked."""
